//! The shells around the parameter server's state machines: they carry messages between processes.
//!
//! Every protocol carries the same messages; which one is a setting. So far there is `rpc`.

mod accept;
mod client;
mod driver;
mod error;
mod frame;
mod message;
mod peer;
mod rpc;
mod run;
mod server;
mod shard;
mod terms;
mod token;
mod worker;

pub use client::Client;
pub use error::WireError;
pub use run::{Hooks, serve_run};
pub use server::Listener;
pub use shard::serve_shard;
pub use terms::Terms;
pub use token::Token;
pub use worker::{Computed, join_run};
