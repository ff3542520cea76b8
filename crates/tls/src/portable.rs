//! Where the system is not Unix: no sockets in the file system, and no files that are known to be private.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

fn unsupported() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "this system has no Unix sockets and no private files; listen on 127.0.0.1 and name a token file",
    )
}

/// A stream that cannot be made.
pub struct Stream(Infallible);

pub type OwnedReadHalf = Stream;
pub type OwnedWriteHalf = Stream;

impl Stream {
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        match self.0 {}
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}

/// A socket that cannot be bound.
pub(crate) struct Bound(Infallible);

/// An acceptor that cannot be made.
pub(crate) struct Acceptor(Infallible);

impl Bound {
    pub fn bind(_: &Path) -> io::Result<Self> {
        Err(unsupported())
    }

    pub fn path(&self) -> &Path {
        match self.0 {}
    }

    pub fn open(self) -> io::Result<Acceptor> {
        match self.0 {}
    }
}

impl Acceptor {
    pub fn path(&self) -> &Path {
        match self.0 {}
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        match self.0 {}
    }
}

pub(crate) async fn connect(_: &Path) -> io::Result<Stream> {
    Err(unsupported())
}

/// Nothing tells here who may read a file; its owner answers for it.
pub(crate) fn refuse_readable_by_others(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(crate) fn create_private_folder(_: &Path) -> io::Result<()> {
    Err(unsupported())
}

pub(crate) fn write_private_file(_: &Path, _: &[u8]) -> io::Result<()> {
    Err(unsupported())
}
