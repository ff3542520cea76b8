//! `rest`: HTTP requests, for people and for programs that have nothing better. `openapi.json` describes them.
//!
//! A caller is a session: it is opened, kept by a request that waits for its end, and closed. Calls may travel over several
//! connections; their numbers keep them in order and make each count once.

mod calling;
mod listening;
mod session;
mod sign;

pub(crate) use calling::{Answers, Caller, connect};
pub(crate) use listening::Requests;
pub(crate) use session::Sessions;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use hyper::body::Body;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, ReadBuf};

use crate::WireError;
use crate::frame::{self, Frame};
use crate::message::{Message, OfRun, Service};

/// A frame, as the body of a request or of an answer.
const FRAME: &str = "application/octet-stream";
const JSON: &str = "application/json";
/// The version of the messages, of whoever sends the header.
const VERSION_HEADER: &str = "quelea-version";
/// Proves that an answer comes from somebody who has the token.
const PROOF_HEADER: &str = "quelea-proof";

/// The name of a service in a path.
fn name<S: Service>() -> &'static str {
    if S::NUMBER == OfRun::NUMBER { "run" } else { "shard" }
}

/// A whole frame.
fn framed<M: Message>(call: u64, message: &M) -> Result<Bytes, WireError> {
    let Frame { start, header, beside } = frame::frame_of(call, message)?;
    let mut bytes = BytesMut::with_capacity(start.len() + header.beside as usize);
    bytes.extend_from_slice(&start);
    beside.iter().for_each(|part| bytes.extend_from_slice(part));
    Ok(bytes.freeze())
}

/// The bytes of a body as they come, and their digest.
struct Coming<B> {
    body: B,
    left: Bytes,
    /// None where nobody asks for it.
    digest: Option<Sha256>,
}

impl<B: Body<Data = Bytes> + Unpin> Coming<B> {
    fn new(body: B, with_digest: bool) -> Self {
        Self { body, left: Bytes::new(), digest: with_digest.then(Sha256::new) }
    }
}

impl<B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static> + Unpin> AsyncRead for Coming<B> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.left.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(Ok(())),
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                Some(Ok(part)) => self.left = part.into_data().unwrap_or_default(),
            }
            let this = &mut *self;
            if let Some(digest) = &mut this.digest {
                digest.update(&this.left);
            }
        }
        let len = self.left.len().min(into.remaining());
        into.put_slice(&self.left[..len]);
        self.left.advance(len);
        Poll::Ready(Ok(()))
    }
}
