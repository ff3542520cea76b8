//! `grpc`: one stream both ways per connection, which carries frames in pieces. `quelea.proto` says the same for others.
//!
//! A connection begins with the same proofs as `rpc`, as the first messages of the stream.

mod calling;
mod codec;
mod listening;
mod pieces;

pub(crate) use calling::connect;
pub(crate) use listening::accept;
pub(crate) use pieces::{Reader, Writer};

use bytes::Bytes;

use crate::message::Service;

/// The most that one message of the stream may have.
const MOST_MESSAGE: usize = 4 << 20;
/// Bytes of a frame in one message: few enough that others get their turn, many enough to pay for it.
const PIECE_BYTES: usize = 1 << 20;
/// What may be on its way and not read yet.
const WINDOW: u32 = 4 << 20;

/// What goes over the stream: first greetings, then pieces of frames.
#[derive(Clone, PartialEq, prost::Message)]
struct Piece {
    #[prost(message, optional, tag = "1")]
    greeting: Option<Greeting>,
    #[prost(uint64, tag = "2")]
    call: u64,
    #[prost(uint64, tag = "3")]
    head: u64,
    #[prost(uint64, tag = "4")]
    beside: u64,
    #[prost(bytes = "bytes", tag = "5")]
    data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Greeting {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(bytes = "bytes", tag = "2")]
    nonce: Bytes,
    #[prost(bytes = "bytes", tag = "3")]
    proof: Bytes,
    #[prost(bool, tag = "4")]
    welcome: bool,
}

impl From<Greeting> for Piece {
    fn from(greeting: Greeting) -> Self {
        Self { greeting: Some(greeting), ..Self::default() }
    }
}

/// The method that serves `S`.
fn path<S: Service>() -> &'static str {
    if S::NUMBER == crate::message::OfRun::NUMBER { "/quelea.Run/Talk" } else { "/quelea.Shard/Talk" }
}
