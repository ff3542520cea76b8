//! The files of one training's checkpoints at one place, and the manifest that names them.
//!
//! New files are written first, then the manifest over the old one, and only then are files removed that it does not name.

use super::manifest::{File, Manifest, State, Training, checksum};
use super::place::Place;
use crate::{Error, Result};

const MANIFEST: &str = "checkpoint";
/// How the names of all files but the manifest begin.
const PREFIX: &str = "checkpoint-";

/// Checkpoints of one training at one place.
pub(super) struct Store {
    place: Place,
    training: Training,
    /// The manifest as it was written last.
    written: Option<Vec<u8>>,
    /// One that may have been written after it: the place gave no answer.
    doubted: Option<Vec<u8>>,
}

impl Store {
    /// The store at a place that can be written to. The fingerprint of `training` may still be missing.
    pub fn open(place: Place, training: Training) -> Result<Self> {
        place.probe()?;
        let written = place.read(MANIFEST)?;
        Ok(Self { place, training, written, doubted: None })
    }

    /// Whether a checkpoint is there.
    pub fn is_there(&self) -> bool {
        self.written.is_some()
    }

    /// What people call the checkpoint.
    pub fn name(&self) -> String {
        self.place.name_of(MANIFEST)
    }

    /// The manifest that is there, which must be this training's as far as that is known.
    pub fn manifest(&self) -> Result<Manifest> {
        let manifest = Manifest::read(self.written.as_deref().unwrap_or_default()).map_err(|problem| self.unusable(MANIFEST, problem))?;
        match self.training.difference(&manifest.training) {
            Some(difference) => Err(Error::Checkpoint {
                what: self.name(),
                problem: format!(
                    "it is a checkpoint of another training: {difference}; name another place in checkpoint.to, or remove it to begin anew"
                ),
            }),
            None => Ok(manifest),
        }
    }

    /// The table is read: what is saved of this training, if anything is.
    pub fn load(&mut self, fingerprint: &str) -> Result<Option<State>> {
        self.training.fingerprint = fingerprint.into();
        self.is_there().then(|| Ok(self.manifest()?.state)).transpose()
    }

    /// What the manifest says that is there now, if it still is; another training's is an error.
    pub fn look(&mut self) -> Result<Option<State>> {
        let there = self.place.read(MANIFEST)?;
        if there.is_some() && there != self.written && there != self.doubted {
            let problem = "another training has written its checkpoint here; name another place in checkpoint.to".into();
            return Err(Error::Checkpoint { what: self.name(), problem });
        }
        self.doubted = None;
        if there.is_some() {
            self.written = there;
            return Ok(Some(self.manifest()?.state));
        }
        Ok(None)
    }

    /// Whether it is not known what the manifest says.
    pub fn is_in_doubt(&self) -> bool {
        self.doubted.is_some()
    }

    /// Writes a file, whose name begins with `name`.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<File> {
        let checksum = checksum(bytes);
        let file = format!("{PREFIX}{name}-{}", &checksum[..8]);
        self.place.write(&file, bytes)?;
        Ok(File { file, bytes: bytes.len() as u64, checksum })
    }

    /// The bytes of a file, which must be as they were written.
    pub fn read(&self, File { file, bytes, checksum: expected }: &File) -> Result<Vec<u8>> {
        let found = self.place.read(file)?.ok_or_else(|| self.unusable(file, "it is not there".into()))?;
        if found.len() as u64 != *bytes {
            let problem = format!("it has {} bytes, and the checkpoint says {bytes}: it is damaged", found.len());
            return Err(self.unusable(file, problem));
        }
        if checksum(&found) != *expected {
            return Err(self.unusable(file, "it is damaged: its checksum is not that of its content".into()));
        }
        Ok(found)
    }

    /// Makes this the checkpoint. A place may do it and say that it has not: a lost answer, a folder that cannot be synced.
    pub fn commit(&mut self, state: State) -> Result<()> {
        let manifest = Manifest { training: self.training.clone(), state }.write();
        if let Err(error) = self.place.write(MANIFEST, &manifest) {
            match self.place.read(MANIFEST) {
                Ok(there) if there.as_ref() == Some(&manifest) => {}
                Ok(_) if !self.place.may_be_late() => return Err(error),
                _ => {
                    self.doubted = Some(manifest);
                    return Err(error);
                }
            }
        }
        self.written = Some(manifest);
        Ok(())
    }

    /// Removes a file.
    pub fn remove_file(&self, file: &File) -> Result<()> {
        self.place.remove(&file.file)
    }

    /// Removes all files but the manifest and those for which `is_kept` holds.
    pub fn sweep(&self, is_kept: impl Fn(&str) -> bool) -> Result<()> {
        let is_old = |file: &&String| file.starts_with(PREFIX) && !is_kept(file);
        self.place.list()?.iter().filter(is_old).try_for_each(|file| self.place.remove(file))
    }

    /// Removes the checkpoint: the manifest first, so that it is gone whole.
    pub fn remove(&self) -> Result<()> {
        self.place.remove(MANIFEST)?;
        self.sweep(|_| false)
    }

    /// An error that names a file of this checkpoint.
    pub fn unusable(&self, file: &str, problem: String) -> Error {
        let what = self.place.name_of(file);
        Error::Checkpoint { what, problem: format!("{problem}; remove the checkpoint at {} to begin anew", self.name()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Part;
    use super::*;

    #[test]
    fn what_a_place_has_done_without_saying_so_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let training = Training { version: "1".into(), job: serde_json::json!({}), start_from: None, fingerprint: "f".into() };
        let open = || Store::open(Place::open(folder.path().to_str().unwrap()).unwrap(), training.clone()).unwrap();
        let state = |of: &str| State::Log(vec![Part { from: 0, to: 1, of: File { file: of.into(), bytes: 0, checksum: String::new() } }]);
        let mut store = open();
        store.commit(state("a")).unwrap();
        let mut other = open();
        other.commit(state("b")).unwrap();
        assert!(store.look().err().unwrap().to_string().contains("another training"));
        // It was this one that wrote it, as far as it knows.
        store.doubted = other.written.clone();
        assert!(store.is_in_doubt());
        assert_eq!(store.look().unwrap(), Some(state("b")));
        assert!(!store.is_in_doubt());
        // It did not come so far.
        store.doubted = Some(b"c".to_vec());
        assert_eq!(store.look().unwrap(), Some(state("b")));
        assert!(!store.is_in_doubt());
    }
}
