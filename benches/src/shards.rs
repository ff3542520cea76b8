//! Shards that threads of this process serve, for as long as something is measured.

use std::thread::scope;
use std::time::Duration;

use anyhow::Result;
use quelea_params::{Maker, Timing};
use quelea_wire::{Listener, Protocol, Terms, Token, serve_shard};
use tokio::runtime::{Builder, Runtime};

const ANY_PORT: &str = "127.0.0.1:0";

/// A runtime for the current thread.
pub fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// What was measured. One that fails ends the process: others would wait for it at a barrier for ever.
pub fn or_end<T>(measured: Result<T>) -> T {
    measured.unwrap_or_else(|error| {
        eprintln!("{error:?}");
        std::process::exit(1)
    })
}

/// What `measure` gives while so many shards listen, whose addresses it is told.
pub fn with_shards<T>(
    protocol: Protocol,
    shards: usize,
    maker: impl Fn() -> Maker,
    measure: impl FnOnce(&Terms, &[String]) -> Result<T>,
) -> Result<T> {
    let second = Duration::from_secs(1);
    let timing = Timing { keepalive: second, lease: 600 * second, request_timeout: 600 * second, retries: 0 };
    let terms = Terms { protocol, tls: None, token: Token::random()?, timing, connect_timeout: 10 * second };
    let listeners: Vec<Listener> = (0..shards).map(|_| Listener::bind(ANY_PORT, &terms)).collect::<Result<_, _>>()?;
    let addresses: Vec<String> = listeners.iter().map(Listener::address).collect();
    let (over, is_over) = tokio::sync::watch::channel(false);
    scope(|scope| {
        for listener in listeners {
            let (terms, maker, mut is_over) = (terms.clone(), maker(), is_over.clone());
            let stop = async move { drop(is_over.changed().await) };
            scope.spawn(move || runtime()?.block_on(async { Ok::<_, anyhow::Error>(serve_shard(listener, terms, maker, stop).await?) }));
        }
        let measured = measure(&terms, &addresses);
        over.send_replace(true);
        measured
    })
}
