//! A connection that has greeted, whatever protocol it speaks: one half gives messages, the other takes them.

use std::time::Duration;

use quelea_tls::{ReadHalf, Stream, WriteHalf};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

#[cfg(feature = "grpc")]
use crate::grpc;
use crate::message::Message;
#[cfg(feature = "rest")]
use crate::rest;
use crate::{WireError, frame};

/// How long the other side may take to close a connection that has ended.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// What comes.
pub(crate) enum Reading {
    Rpc(BufReader<ReadHalf>),
    #[cfg(feature = "grpc")]
    Grpc(Box<grpc::Reader>),
    #[cfg(feature = "rest")]
    Rest(rest::Answers),
}

/// What goes.
pub(crate) enum Writing {
    Rpc(WriteHalf),
    #[cfg(feature = "grpc")]
    Grpc(grpc::Writer),
    #[cfg(feature = "rest")]
    Rest(rest::Caller),
}

/// The two halves of a connection over which frames go as they are.
pub(crate) fn rpc(stream: Stream) -> (Reading, Writing) {
    let (read, write) = stream.into_split();
    (Reading::Rpc(BufReader::with_capacity(frame::BUFFER_BYTES, read)), Writing::Rpc(write))
}

/// The two halves of a stream of pieces.
#[cfg(feature = "grpc")]
pub(crate) fn grpc((read, write): (grpc::Reader, grpc::Writer)) -> (Reading, Writing) {
    (Reading::Grpc(Box::new(read)), Writing::Grpc(write))
}

impl Reading {
    /// The next message: its call, itself, and how many bytes it had.
    pub(crate) async fn read<M: Message>(&mut self, address: &str) -> Result<(u64, M, u64), WireError> {
        match self {
            Self::Rpc(read) => frame::read(read, address).await,
            #[cfg(feature = "grpc")]
            Self::Grpc(read) => read.frame(address).await,
            #[cfg(feature = "rest")]
            Self::Rest(answers) => answers.take(address).await,
        }
    }

    /// Reads until the other side closes. A connection that is closed with something unread is reset, and what was sent last
    /// might be lost.
    pub(crate) async fn drain(&mut self) {
        let draining = async {
            match self {
                Self::Rpc(read) => {
                    let mut unread = vec![0; frame::BUFFER_BYTES];
                    while read.read(&mut unread).await.is_ok_and(|bytes| bytes > 0) {}
                }
                #[cfg(feature = "grpc")]
                Self::Grpc(read) => read.drain().await,
                #[cfg(feature = "rest")]
                Self::Rest(answers) => answers.drain().await,
            }
        };
        let _ = timeout(FAREWELL, draining).await;
    }
}

impl Writing {
    /// Sends a message, and says how many bytes it had; a receiver that takes none of them for `patience` is given up.
    pub(crate) async fn write<M: Message>(&mut self, call: u64, message: &M, patience: Duration) -> Result<u64, WireError> {
        match self {
            Self::Rpc(write) => frame::write(write, call, message, patience).await,
            #[cfg(feature = "grpc")]
            Self::Grpc(write) => write.write(call, message, patience).await,
            #[cfg(feature = "rest")]
            Self::Rest(caller) => caller.write(call, message, patience).await,
        }
    }

    /// Says why there is no answer to a call.
    pub(crate) async fn refuse(&mut self, call: u64, why: &str, patience: Duration) -> Result<(), WireError> {
        match self {
            Self::Rpc(write) => frame::refuse(write, call, why, patience).await,
            #[cfg(feature = "grpc")]
            Self::Grpc(write) => write.refuse_call(call, why, patience).await,
            // This side calls; it answers nothing.
            #[cfg(feature = "rest")]
            Self::Rest(_) => Ok(()),
        }
    }

    /// Says that nothing more will come; whether that was possible.
    pub(crate) async fn finish(self) -> bool {
        match self {
            Self::Rpc(mut write) => write.shutdown().await.is_ok(),
            // A stream ends when its writer does.
            #[cfg(feature = "grpc")]
            Self::Grpc(_) => true,
            #[cfg(feature = "rest")]
            Self::Rest(caller) => caller.finish().await,
        }
    }
}

/// A task that ends with this.
#[cfg(any(feature = "grpc", feature = "rest"))]
pub(crate) struct Kept(pub tokio::task::JoinHandle<()>);

#[cfg(any(feature = "grpc", feature = "rest"))]
impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}
