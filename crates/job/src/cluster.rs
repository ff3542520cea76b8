//! Checks of a job's cluster, synchronisation and transport.

use std::collections::BTreeSet;
use std::time::Duration;

use quelea_learn::registry::{self, Targets};

use crate::duration::shown;
use crate::{Cluster, Compression, Job, JobError, Mode, Result, Shards, Sync, Transport};

const MOST_SHARDS: usize = 256;
/// The longest timeout.
const LONGEST: Duration = Duration::from_hours(1);
const MOST_SIGNIFICANCE: f64 = 1e6;

/// Refuses what is not possible.
pub(crate) fn check(job: &Job) -> Result<()> {
    check_cluster(&job.cluster)?;
    check_sync(job)?;
    check_compression(job)?;
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

fn check_compression(job: &Job) -> Result<()> {
    let Compression { bits, top_k, significance_filter } = job.compression;
    if ![32, 16, 8].contains(&bits) {
        return Err(JobError::key("compression.bits", format!("{bits} is not possible; this is 32, 16 or 8")));
    }
    if !(top_k > 0.0 && top_k <= 1.0) {
        let problem = format!("{top_k} is not possible; this is a share of the rows, above 0 and up to 1");
        return Err(JobError::key("compression.top_k", problem));
    }
    if !(0.0..=MOST_SIGNIFICANCE).contains(&significance_filter) {
        let problem = format!("{significance_filter} is not possible; this is a number from 0 to {MOST_SIGNIFICANCE}");
        return Err(JobError::key("compression.significance_filter", problem));
    }
    // Gradients may come late and rounded; means, of which clusters consist, may not.
    let has_gradients = |learner: &&registry::Entry| learner.by_steps && learner.targets != Targets::None;
    let takers: Vec<&str> = registry::LEARNERS.iter().filter(has_gradients).map(|learner| learner.name).collect();
    if job.compression != Compression::default() && !takers.contains(&job.model.kind.as_str()) {
        let problem = format!("{} cannot leave anything out; drop the table, which is for {}", job.model.kind, takers.join(", "));
        return Err(JobError::key("compression", problem));
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
    if let Some((key, time)) = times.into_iter().find(|(_, time)| time.is_zero() || *time > LONGEST) {
        let problem = format!("{:?} is not possible; this is a duration above \"0s\" and up to {:?}", shown(time), shown(LONGEST));
        return Err(JobError::key(format!("transport.{key}"), problem));
    }
    for (key, longer) in [("request_timeout", request_timeout), ("lease", lease)] {
        if keepalive >= longer {
            let problem = format!(
                "{:?} is not shorter than transport.{key}, which is {:?}, so that a quiet process would look dead; lower it",
                shown(keepalive),
                shown(longer)
            );
            return Err(JobError::key("transport.keepalive", problem));
        }
    }
    Ok(())
}
