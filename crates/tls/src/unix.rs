//! What only Unix has: sockets in the file system, and files that only their owner may read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

pub use tokio::net::{UnixStream as Stream, unix::OwnedReadHalf, unix::OwnedWriteHalf};

/// A bound socket.
pub(crate) struct Bound {
    socket: UnixListener,
    file: SocketFile,
}

/// The file of a socket, which is removed with it.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have cleared it away.
        let _ = fs::remove_file(&self.0);
    }
}

/// What takes connections.
pub(crate) struct Acceptor {
    socket: tokio::net::UnixListener,
    file: SocketFile,
}

impl Bound {
    /// A socket that only its owner may use. The file of one that nobody listens on any more is replaced.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            fs::remove_file(path)?;
        }
        let socket = UnixListener::bind(path)?;
        let file = SocketFile(path.into());
        fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, file })
    }

    pub fn path(&self) -> &Path {
        &self.file.0
    }

    pub fn open(self) -> io::Result<Acceptor> {
        Ok(Acceptor { socket: tokio::net::UnixListener::from_std(self.socket)?, file: self.file })
    }
}

impl Acceptor {
    pub fn path(&self) -> &Path {
        &self.file.0
    }

    pub async fn accept(&self) -> io::Result<Stream> {
        self.socket.accept().await.map(|(stream, _)| stream)
    }
}

pub(crate) async fn connect(path: &Path) -> io::Result<Stream> {
    Stream::connect(path).await
}

/// Refuses a file that others than its owner may read.
pub(crate) fn refuse_readable_by_others(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    match mode & 0o077 {
        0 => Ok(()),
        _ => Err(io::Error::other(format!("others may read it (mode {:o}); run `chmod 600` on it", mode & 0o777))),
    }
}

/// Makes a folder that only its owner may look into.
pub(crate) fn create_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a new file that only its owner may read.
pub(crate) fn write_private_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}
