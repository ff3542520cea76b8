//! What the processes of a cluster do: a shard, and a worker.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use quelea_job::Transport;
use quelea_params::{Problem, Timing};
use quelea_tls::{Tls, Token};
use quelea_wire::{Listener, Protocol, Terms, WireError, join_run, serve_shard};

use super::compute::compute;
use super::replica;
use crate::platform::{BatchScheduling, host_name};
use crate::threads::Threads;
use crate::{Control, Error, Result};

/// How often a stop is looked for.
const GLANCE: Duration = Duration::from_millis(50);

/// What is said of a cluster whose processes share no secret.
const NO_TOKEN: &str = "the processes of a cluster share a secret; name the file that holds it in transport.token_file";

/// The terms of a job's transport.
pub(crate) fn terms(transport: &Transport) -> Result<Terms> {
    let timing = Timing {
        keepalive: transport.keepalive,
        lease: transport.lease,
        request_timeout: transport.request_timeout,
        retries: transport.retries,
    };
    let no_token = || Error::Cluster { problem: NO_TOKEN.into() };
    let token = Token::read(transport.token_file.as_deref().ok_or_else(no_token)?)?;
    let protocol = match transport.protocol {
        quelea_job::Protocol::Rpc => Protocol::Rpc,
        quelea_job::Protocol::Grpc => Protocol::Grpc,
        quelea_job::Protocol::Rest => Protocol::Rest,
    };
    let tls = transport.tls.as_ref().map(|tls| Tls::read(&tls.certificate, &tls.key, &tls.authority)).transpose()?;
    Ok(Terms { protocol, tls, token, timing, connect_timeout: transport.connect_timeout })
}

/// The URL of a run that listens at an address; `host` stands for one that means all addresses of this machine.
pub(crate) fn url(terms: &Terms, address: &str, host: &str) -> String {
    let scheme = terms.protocol.scheme(terms.tls.is_some());
    match address.parse::<SocketAddr>() {
        Ok(place) if place.ip().is_unspecified() => format!("{scheme}://{host}:{}", place.port()),
        _ => format!("{scheme}://{address}"),
    }
}

/// A runtime of one thread; the caller's.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::internal)
}

/// Is over when the caller asks to stop.
pub(crate) async fn stopped(control: &Control) {
    while control.check().is_ok() {
        tokio::time::sleep(GLANCE).await;
    }
}

/// Serves runs as a parameter shard at `address`, a HOST:PORT, until the caller asks to stop. `on_listening` is told the
/// address, with the port that was taken.
pub fn shard(
    address: &str,
    transport: &Transport,
    threads: Option<usize>,
    control: &Control,
    on_listening: impl FnOnce(&str),
) -> Result<()> {
    let terms = terms(transport)?;
    let listener = Listener::bind(address, &terms)?;
    let _batch = BatchScheduling::begin();
    let pool = Threads::new(threads)?.pool();
    let maker = replica::maker(pool.clone(), Arc::default(), Arc::new(|_| {}));
    on_listening(&listener.address());
    // On a thread of the pool, so that an update begins where it is asked for and not on another thread that must wake up.
    pool.install(|| Ok(runtime()?.block_on(serve_shard(listener, terms, maker, stopped(control)))?))
}

/// Works for the run at `url`, such as rpc://127.0.0.1:7100, until it ends or the caller asks to stop. The URL says by which
/// protocol, whatever the transport's.
pub fn worker(url: &str, transport: &Transport, threads: Option<usize>, control: &Control) -> Result<()> {
    let mut terms = terms(transport)?;
    let rule = match terms.tls {
        Some(_) => "write the URL that the run tells: rpc://, grpc:// or https:// and HOST:PORT (this process has TLS)",
        None => "write the URL that the run tells: rpc://, grpc:// or http:// and HOST:PORT (https:// needs transport.tls)",
    };
    let (protocol, address) = Protocol::of_url(url, terms.tls.is_some())
        .ok_or_else(|| WireError::Connection(quelea_tls::Error::Address { address: url.into(), rule }))?;
    terms.protocol = protocol;
    work(address, &name(), terms, threads, stopped(control))
}

/// Works for the run at HOST:PORT under a name.
fn work(address: &str, name: &str, terms: Terms, threads: Option<usize>, stop: impl Future<Output = ()>) -> Result<()> {
    let _batch = BatchScheduling::begin();
    let threads = Threads::new(threads)?;
    let (tasks, to_do) = mpsc::channel();
    let (tell, computed) = tokio::sync::mpsc::unbounded_channel();
    // On a thread of the pool, so that a fold begins where it is ordered and not on another thread that must wake up.
    std::thread::spawn(move || threads.run(|| compute(to_do, &tell, &threads)));
    // A fold under way when the run ends is not waited for.
    let ended = runtime()?.block_on(join_run(address, name.into(), terms, tasks, computed, stop))?;
    ended.map_err(Error::from)
}

/// What people call this process: its machine and its number.
pub(crate) fn name() -> String {
    name_of(std::process::id())
}

/// What people call a process of this machine.
pub(crate) fn name_of(process: u32) -> String {
    format!("{}/{process}", host_name().as_deref().unwrap_or("here"))
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Learner(error) => Self::Learner(error),
            Problem::Stopped => Self::Cancelled,
            Problem::Internal { what } => Self::Internal { what },
            problem => Self::Cluster { problem: problem.to_string() },
        }
    }
}
