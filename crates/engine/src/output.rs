//! Files that appear whole or not at all: written beside their place, then renamed over it.

use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::{Error, Result};

/// A file that is being written. Dropped before [`Output::finish`], it leaves nothing behind and the old file as it was.
pub(crate) struct Output {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl Output {
    /// Begins to write `path`.
    pub fn create(path: &Path) -> Result<Self> {
        let failed = |source| Error::File { action: "write", path: path.into(), source };
        if path.is_dir() {
            return Err(failed(std::io::Error::other("it is a folder; name a file in it")));
        }
        if path.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(failed(std::io::Error::other("it is a device or a pipe; name a file")));
        }
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = Builder::new()
            .prefix(".quelea-")
            .suffix(".part")
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)
            .map_err(|e| failed(cause(e, folder)))?;
        Ok(Self { path: path.into(), file: BufWriter::with_capacity(1 << 20, file) })
    }

    /// Puts the file in its place.
    pub fn finish(self) -> Result<()> {
        let failed = |source| Error::File { action: "write", path: self.path.clone(), source };
        let file = self.file.into_inner().map_err(|e| failed(plain(e.into_error())))?;
        file.as_file().sync_all().map_err(|e| failed(plain(e)))?;
        file.persist(&self.path).map_err(|e| failed(plain(e.error)))?;
        Ok(())
    }
}

/// The system's error without the name of the temporary file, which means nothing to the user.
fn plain(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull => std::io::Error::new(error.kind(), "the disk is full; free some space or name another place"),
        kind => std::io::Error::new(kind, kind.to_string()),
    }
}

fn cause(error: std::io::Error, folder: &Path) -> std::io::Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            std::io::Error::new(error.kind(), format!("there is no folder {}; make it first", folder.display()))
        }
        std::io::ErrorKind::PermissionDenied => {
            std::io::Error::new(error.kind(), format!("no permission to write in {}", folder.display()))
        }
        _ => plain(error),
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes).map_err(plain)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush().map_err(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_finished_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, "old").unwrap();
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"half").unwrap();
        drop(output);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        let mut output = Output::create(&path).unwrap();
        output.write_all(b"whole").unwrap();
        output.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole");
    }
}
