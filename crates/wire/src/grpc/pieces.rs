//! Frames in pieces: writing cuts them, reading puts them together.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::Stream;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use super::{Greeting, PIECE_BYTES, Piece};
use crate::WireError;
use crate::frame::{self, Frame, HEADER, Header};
use crate::link::Kept;
use crate::message::Message;

/// Messages that wait to be sent; beyond, the writer waits.
const MOST_WAITING: usize = 2;

/// The reading half of a stream; the connection lives as long as it.
pub(crate) struct Reader {
    from: Streaming<Piece>,
    /// What was received of the current frame and not read yet.
    left: Bytes,
    /// The task that moves the connection's bytes.
    _connection: Option<Kept>,
}

impl Reader {
    pub(super) fn new(from: Streaming<Piece>) -> Self {
        Self { from, left: Bytes::new(), _connection: None }
    }

    pub(super) fn keep(&mut self, connection: Kept) {
        self._connection = Some(connection);
    }

    pub(super) async fn greeting(&mut self) -> Result<Greeting, Status> {
        let piece = self.from.message().await?.ok_or_else(|| Status::unavailable("the stream has ended"))?;
        piece.greeting.ok_or_else(|| Status::invalid_argument("a greeting comes first"))
    }

    /// Reads a frame.
    pub(crate) async fn frame<M: Message>(&mut self, address: &str) -> Result<(u64, M, u64), WireError> {
        let malformed = |problem| WireError::Malformed { address: address.into(), problem };
        let piece = self.from.message().await.map_err(broken)?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        if piece.greeting.is_some() {
            return Err(malformed("greetings are over"));
        }
        let header = Header { call: piece.call, head: piece.head, beside: piece.beside };
        self.left = piece.data;
        let (message, bytes) = frame::read_behind(self, address, header).await?;
        if !self.left.is_empty() {
            return Err(malformed("it has more than its lengths say"));
        }
        Ok((header.call, message, bytes))
    }

    /// Reads until the other side ends.
    pub(crate) async fn drain(&mut self) {
        while let Ok(Some(_)) = self.from.message().await {}
    }
}

fn broken(status: Status) -> io::Error {
    let kind = match status.code() {
        Code::OutOfRange | Code::InvalidArgument => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, status.to_string())
}

/// The bytes of a frame, piece after piece.
impl AsyncRead for Reader {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left.is_empty() {
            match ready!(Pin::new(&mut self.from).poll_next(context)) {
                Some(Ok(piece)) if piece.head == 0 && piece.beside == 0 && piece.greeting.is_none() && !piece.data.is_empty() => {
                    self.left = piece.data;
                }
                Some(Ok(_)) => return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a frame ends too early"))),
                Some(Err(status)) => return Poll::Ready(Err(broken(status))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = self.left.len().min(into.remaining());
        into.put_slice(&self.left[..len]);
        self.left.advance(len);
        Poll::Ready(Ok(()))
    }
}

/// What tonic takes the messages from.
pub(super) struct Outgoing(mpsc::Receiver<Result<Piece, Status>>);

impl Stream for Outgoing {
    type Item = Result<Piece, Status>;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// The writing half of a stream, which ends with it.
pub(crate) struct Writer(mpsc::Sender<Result<Piece, Status>>);

impl Writer {
    pub(super) fn new() -> (Self, Outgoing) {
        let (send, sent) = mpsc::channel(MOST_WAITING);
        (Self(send), Outgoing(sent))
    }

    pub(super) async fn send(&self, piece: impl Into<Piece>) -> io::Result<()> {
        self.0.send(Ok(piece.into())).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Ends the stream: there are too many connections.
    pub(crate) async fn refuse_as_one_too_many(self) -> WireError {
        let problem = "there are too many connections; try again later";
        self.refuse(Status::resource_exhausted(problem)).await;
        io::Error::new(io::ErrorKind::ConnectionRefused, problem).into()
    }

    /// Sends why there is no answer to a call.
    pub(crate) async fn refuse_call(&self, call: u64, why: &str, patience: Duration) -> Result<(), WireError> {
        let data = Bytes::copy_from_slice(frame::reason(why));
        let piece = Piece { call, beside: data.len() as u64, data, ..Piece::default() };
        Ok(timeout(patience, self.send(piece)).await.map_err(io::Error::from)??)
    }

    /// Ends the stream with a status.
    pub(super) async fn refuse(self, status: Status) {
        // Whoever has gone need not be told.
        let _ = self.0.send(Err(status)).await;
    }

    /// Writes a frame, and says how many bytes it had; a receiver that takes none of them for `patience` is given up.
    pub(crate) async fn write<M: Message>(&mut self, call: u64, message: &M, patience: Duration) -> Result<u64, WireError> {
        let Frame { start, header, beside } = frame::frame_of(call, message)?;
        let mut piece = Piece { call, head: header.head, beside: header.beside, ..Piece::default() };
        let mut data = BytesMut::new();
        let parts = std::iter::once(&start[HEADER..]).chain(beside.iter().map(|part| &**part));
        for mut part in parts {
            while !part.is_empty() {
                if data.len() == PIECE_BYTES {
                    piece.data = data.split().freeze();
                    timeout(patience, self.send(std::mem::take(&mut piece))).await.map_err(io::Error::from)??;
                }
                let (now, later) = part.split_at(part.len().min(PIECE_BYTES - data.len()));
                data.extend_from_slice(now);
                part = later;
            }
        }
        piece.data = data.freeze();
        timeout(patience, self.send(piece)).await.map_err(io::Error::from)??;
        Ok(start.len() as u64 + header.beside)
    }
}
