//! Byte streams between processes: over TCP, in clear or under TLS, or over a Unix socket of this machine.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, tcp};
use tokio_rustls::TlsStream;

use crate::unix;

/// A connection.
pub enum Stream {
    /// Over TCP, in clear.
    Tcp(TcpStream),
    /// Over a Unix socket.
    Unix(unix::Stream),
    /// Over TCP, encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

/// The half of a [`Stream`] that is read.
pub enum ReadHalf {
    /// Over TCP, in clear.
    Tcp(tcp::OwnedReadHalf),
    /// Over a Unix socket.
    Unix(unix::OwnedReadHalf),
    /// Over TCP, encrypted.
    Tls(tokio::io::ReadHalf<TlsStream<TcpStream>>),
}

/// The half of a [`Stream`] that is written.
pub enum WriteHalf {
    /// Over TCP, in clear.
    Tcp(tcp::OwnedWriteHalf),
    /// Over a Unix socket.
    Unix(unix::OwnedWriteHalf),
    /// Over TCP, encrypted.
    Tls(tokio::io::WriteHalf<TlsStream<TcpStream>>),
}

impl Stream {
    /// Both halves, which can be used by different tasks.
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
            }
            Self::Unix(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
            Self::Tls(stream) => {
                let (read, write) = tokio::io::split(*stream);
                (ReadHalf::Tls(read), WriteHalf::Tls(write))
            }
        }
    }

    /// Whether it is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// What only the two ends of this TLS session know (RFC 9266): a proof that holds for it is worth nothing in another
    /// session. Nothing without TLS.
    pub fn binding(&self) -> Vec<u8> {
        let Self::Tls(stream) = self else { return Vec::new() };
        let (exported, label) = (vec![0; 32], b"EXPORTER-Channel-Binding");
        let exported = match &**stream {
            TlsStream::Client(stream) => stream.get_ref().1.export_keying_material(exported, label, Some(&[])),
            TlsStream::Server(stream) => stream.get_ref().1.export_keying_material(exported, label, Some(&[])),
        };
        // Both sides fail alike, or the proof does not hold.
        exported.unwrap_or_default()
    }
}

/// Passes a call on to whatever stream it is.
macro_rules! pass_on {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($stream) => $call,
            Self::Unix($stream) => $call,
            Self::Tls($stream) => $call,
        }
    };
}

macro_rules! reads {
    ($name:ident) => {
        impl AsyncRead for $name {
            fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
                pass_on!(self, stream => Pin::new(stream).poll_read(context, into))
            }
        }
    };
}

macro_rules! writes {
    ($name:ident) => {
        impl AsyncWrite for $name {
            fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
                pass_on!(self, stream => Pin::new(stream).poll_write(context, bytes))
            }
            fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
                pass_on!(self, stream => Pin::new(stream).poll_write_vectored(context, parts))
            }
            fn is_write_vectored(&self) -> bool {
                true
            }
            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                pass_on!(self, stream => Pin::new(stream).poll_flush(context))
            }
            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                pass_on!(self, stream => Pin::new(stream).poll_shutdown(context))
            }
        }
    };
}

reads!(Stream);
reads!(ReadHalf);
writes!(Stream);
writes!(WriteHalf);
