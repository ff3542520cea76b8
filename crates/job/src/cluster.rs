//! Checks of a job's cluster, synchronisation and transport.

use std::collections::BTreeSet;

use quelea_learn::registry::{self, Targets};

use crate::{Cluster, Job, JobError, Mode, Result, Shards, Sync, Traffic, Transport};

const MOST_SHARDS: usize = 256;
/// An hour.
const MOST_SECONDS: f64 = 3_600.0;
const MOST_SIGNIFICANCE: f64 = 1e6;

/// Refuses what is not possible.
pub(crate) fn check(job: &Job) -> Result<()> {
    check_cluster(&job.cluster)?;
    check_sync(job)?;
    check_traffic(job)?;
    check_transport(&job.transport)
}

fn check_cluster(cluster: &Cluster) -> Result<()> {
    let copies = 1 + cluster.replicas;
    if cluster.replicas > 0 && cluster.is_alone() {
        return Err(JobError::key("cluster.replicas", "one process alone has no shards; set cluster.workers, or drop it"));
    }
    match &cluster.shards {
        Some(Shards::Addresses(addresses)) if addresses.len() % copies != 0 => {
            let problem =
                format!("{} addresses cannot be {copies} of each shard; name the shards, and then a replica of each", addresses.len());
            Err(JobError::key("cluster.shards", problem))
        }
        Some(Shards::Count(count)) if !(1..=MOST_SHARDS).contains(count) => {
            Err(JobError::key("cluster.shards", format!("this is a number from 1 to {MOST_SHARDS}, or a list of addresses")))
        }
        Some(Shards::Addresses(addresses)) => check_addresses(addresses),
        _ => Ok(()),
    }
}

fn check_sync(job: &Job) -> Result<()> {
    let Sync { mode, quorum, staleness } = job.sync;
    let by_steps = registry::find(&job.model.kind).is_ok_and(|learner| learner.by_steps);
    if mode != Mode::Bsp && !by_steps {
        let takers: Vec<&str> = registry::LEARNERS.iter().filter(|learner| learner.by_steps).map(|learner| learner.name).collect();
        let problem = format!("{} trains in mode \"bsp\" alone; the other modes are for {}", job.model.kind, takers.join(", "));
        return Err(JobError::key("sync.mode", problem));
    }
    match (mode, quorum) {
        (Mode::Quorum, None) => {
            return Err(JobError::key("sync.quorum", "say how many workers end a round; with mode \"quorum\" it must be given"));
        }
        (Mode::Quorum, Some(least)) if job.cluster.workers > 0 && least > job.cluster.workers => {
            let problem = format!("{least} is not possible; this is a number from 1 to cluster.workers, which is {}", job.cluster.workers);
            return Err(JobError::key("sync.quorum", problem));
        }
        (Mode::Bsp | Mode::Ssp | Mode::Asp, Some(_)) => {
            return Err(JobError::key("sync.quorum", "it belongs to mode \"quorum\"; drop it, or set the mode"));
        }
        _ => {}
    }
    match staleness {
        Some(_) if mode != Mode::Ssp => Err(JobError::key("sync.staleness", "it belongs to mode \"ssp\"; drop it, or set the mode")),
        _ => Ok(()),
    }
}

fn check_traffic(job: &Job) -> Result<()> {
    let Traffic { bits, top, significance } = job.traffic;
    if ![32, 16, 8].contains(&bits) {
        return Err(JobError::key("traffic.bits", format!("{bits} is not possible; this is 32, 16 or 8")));
    }
    if !(top > 0.0 && top <= 1.0) {
        return Err(JobError::key("traffic.top", format!("{top} is not possible; this is a share of the rows, above 0 and up to 1")));
    }
    if !(0.0..=MOST_SIGNIFICANCE).contains(&significance) {
        return Err(JobError::key(
            "traffic.significance",
            format!("{significance} is not possible; this is a number from 0 to {MOST_SIGNIFICANCE}"),
        ));
    }
    // Gradients may come late and rounded; means, of which clusters consist, may not.
    let has_gradients = |learner: &&registry::Entry| learner.by_steps && learner.targets != Targets::None;
    let takers: Vec<&str> = registry::LEARNERS.iter().filter(has_gradients).map(|learner| learner.name).collect();
    if job.traffic != Traffic::default() && !takers.contains(&job.model.kind.as_str()) {
        let problem = format!("{} cannot leave anything out; drop the table, which is for {}", job.model.kind, takers.join(", "));
        return Err(JobError::key("traffic", problem));
    }
    Ok(())
}

fn check_addresses(addresses: &[String]) -> Result<()> {
    if addresses.is_empty() {
        return Err(JobError::key("cluster.shards", "the list is empty; name a shard\'s HOST:PORT, or give a number"));
    }
    let mut seen = BTreeSet::new();
    match addresses.iter().find(|address| !seen.insert(*address)) {
        Some(twice) => Err(JobError::key("cluster.shards", format!("{twice:?} is named twice"))),
        None => Ok(()),
    }
}

fn check_transport(transport: &Transport) -> Result<()> {
    let Transport { connect_timeout, request_timeout, keepalive, lease, .. } = *transport;
    let times = [("connect_timeout", connect_timeout), ("request_timeout", request_timeout), ("keepalive", keepalive), ("lease", lease)];
    if let Some((key, seconds)) = times.into_iter().find(|(_, seconds)| !(*seconds > 0.0 && *seconds <= MOST_SECONDS)) {
        let problem = format!("{seconds} is not possible; this is a number of seconds, above 0 and up to {MOST_SECONDS}");
        return Err(JobError::key(format!("transport.{key}"), problem));
    }
    for (key, longer) in [("request_timeout", request_timeout), ("lease", lease)] {
        if keepalive >= longer {
            let problem = format!(
                "{keepalive} s is not shorter than transport.{key}, which is {longer} s, so that a quiet process would look dead; lower it"
            );
            return Err(JobError::key("transport.keepalive", problem));
        }
    }
    Ok(())
}
