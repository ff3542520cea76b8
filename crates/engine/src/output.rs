//! Files that appear whole or not at all: written beside their place, then renamed over it. A symbolic link stays, and the file
//! behind it is written.

use std::collections::HashSet;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use tempfile::{Builder, NamedTempFile};

use crate::platform::readable_by_all;
use crate::{Error, Result};

/// The files that are being written, for a program that ends without dropping anything.
static UNFINISHED: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);

fn unfinished() -> MutexGuard<'static, HashSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every file that is half-written, and lets none be finished from now on: for a program that is about to end at once.
pub fn remove_unfinished_outputs() {
    let paths = unfinished();
    for path in paths.iter() {
        // What cannot be removed has been moved to its place, or is gone already.
        let _ = std::fs::remove_file(path);
    }
    // Held until the program ends, so that no other thread begins a file meanwhile.
    std::mem::forget(paths);
}

/// A file that is being written. Dropped before [`Output::finish`], it leaves nothing behind and the old file as it was.
pub(crate) struct Output {
    /// As the user names it.
    path: PathBuf,
    /// Where it is, behind any links.
    place: PathBuf,
    file: BufWriter<NamedTempFile>,
    noted: Noted,
}

/// A file that is noted as unfinished until this is dropped.
struct Noted(PathBuf);

impl Drop for Noted {
    fn drop(&mut self) {
        unfinished().remove(&self.0);
    }
}

impl Output {
    /// Begins to write `path`.
    pub fn create(path: &Path) -> Result<Self> {
        Self::create_as(path, ".quelea-")
    }

    /// As [`Output::create`]; until it is finished the file's name begins with `prefix`.
    pub fn create_as(path: &Path, prefix: &str) -> Result<Self> {
        let failed = |source| Error::File { action: "write", path: path.into(), source };
        let place = behind_links(path).map_err(failed)?;
        if place.is_dir() {
            return Err(failed(std::io::Error::other("it is a folder; name a file in it")));
        }
        match place.metadata() {
            _ if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(failed(std::io::Error::other("it names a folder; name a file in it")));
            }
            Ok(there) if !there.is_file() => return Err(failed(std::io::Error::other("it is a device or a pipe; name a file"))),
            // Names that are too long, for one.
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(plain(e))),
            _ => {}
        }
        let folder = place.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Noted before anybody can ask for it.
        let mut unfinished = unfinished();
        let mut builder = Builder::new();
        readable_by_all(builder.prefix(prefix).suffix(".part"));
        let file = builder.tempfile_in(folder).map_err(|e| failed(cause(e, folder)))?;
        let noted = std::path::absolute(file.path()).map_err(failed)?;
        unfinished.insert(noted.clone());
        Ok(Self { path: path.into(), place, file: BufWriter::with_capacity(1 << 20, file), noted: Noted(noted) })
    }

    /// Puts the file in its place.
    pub fn finish(self) -> Result<()> {
        let failed = |source| Error::File { action: "write", path: self.path.clone(), source };
        let file = self.file.into_inner().map_err(|e| failed(plain(e.into_error())))?;
        file.as_file().sync_all().map_err(|e| failed(plain(e)))?;
        file.persist(&self.place).map_err(|e| failed(plain(e.error)))?;
        drop(self.noted);
        Ok(())
    }
}

/// Links in a row that are followed, as many as Linux follows.
const MOST_LINKS: usize = 40;

/// The path that `path` leads to when it is a link, whether there is a file yet or not.
fn behind_links(path: &Path) -> std::io::Result<PathBuf> {
    let mut place = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        if !place.symlink_metadata().is_ok_and(|there| there.is_symlink()) {
            return Ok(place);
        }
        // A relative link starts from its own folder.
        let target = place.read_link()?;
        place = place.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(std::io::Error::other("its links lead to each other; name another file"))
}

/// The system's error in plain words, without the name of the temporary file, which means nothing to the user.
pub(crate) fn plain(error: std::io::Error) -> std::io::Error {
    match error.kind() {
        std::io::ErrorKind::StorageFull => std::io::Error::new(error.kind(), "the disk is full; free some space or name another place"),
        kind => std::io::Error::new(kind, kind.to_string()),
    }
}

/// Why no file can be made in `folder`.
fn cause(error: std::io::Error, folder: &Path) -> std::io::Error {
    match error.kind() {
        std::io::ErrorKind::NotFound if folder.exists() => {
            std::io::Error::new(error.kind(), format!("no file can be made in {}; name another folder", folder.display()))
        }
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
