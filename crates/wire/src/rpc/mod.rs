//! `rpc`: frames over TCP.

mod greeting;

pub(crate) use greeting::{accept, greet};
