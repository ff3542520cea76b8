//! The shells around the parameter server's state machines: they carry messages between processes.
//!
//! Every protocol carries the same messages; which one is a setting. `link` is the seam: a connection that has greeted takes
//! and gives messages, and nobody beyond it knows how they travel.

mod accept;
mod client;
#[cfg(all(test, feature = "grpc", feature = "rest"))]
mod conformance_tests;
mod driver;
mod error;
mod frame;
#[cfg(feature = "grpc")]
mod grpc;
mod link;
mod message;
mod pack;
mod peer;
#[cfg(feature = "rest")]
mod rest;
mod rpc;
mod run;
mod server;
mod shard;
mod terms;
mod worker;

#[cfg(test)]
extern crate self as quelea_wire;

pub use client::Client;
pub use error::WireError;
pub use quelea_tls::{Tls, Token};
pub use run::{Hooks, serve_run};
pub use server::Listener;
pub use shard::serve_shard;
pub use terms::{Protocol, Terms};
pub use worker::{Computed, join_run};
