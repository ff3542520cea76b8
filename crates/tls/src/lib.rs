//! Connections that can be trusted: certificates, tokens, listeners and byte streams. What is said over them is the caller's affair.
//!
//! - [`Tls`] holds a process's certificate and the authority whose certificates it accepts (mutual TLS).
//! - [`Token`] is a secret that two sides share and prove to each other without sending it.
//! - [`Listener`] and [`connect`] make a [`Stream`] over TCP or, where the system has them, over a Unix socket. Without [`Tls`] they
//!   refuse every address that is not on this machine.

mod certificates;
mod error;
mod listener;
mod stream;
mod tcp;
mod token;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
#[path = "portable.rs"]
mod unix;

pub use certificates::{Tls, explain};
pub use error::{Error, Result};
pub use listener::{Acceptor, Listener, connect, secure};
pub use stream::{ReadHalf, Stream, WriteHalf};
pub use token::{PROOF_BYTES, Token, random_bytes};
