//! The files of one training's checkpoints: parts of the log, and the manifest that names them.
//!
//! New parts are written first, then the manifest over the old one, and only then are parts removed that it does not name.

use super::log::{self, Clock};
use super::manifest::{Manifest, Part, State, Training, checksum};
use super::place::Place;
use crate::{Error, Result};

const MANIFEST: &str = "checkpoint";
const PART: &str = "checkpoint-log-";

/// Checkpoints of one training at one place.
pub(super) struct Store {
    place: Place,
    training: Training,
    /// All that was committed up to the last boundary, and where in it each clock ends.
    log: Vec<u8>,
    ends: Vec<usize>,
    /// The files that hold its first clocks.
    parts: Vec<Part>,
    /// The manifest as it was written last.
    written: Option<Vec<u8>>,
}

impl Store {
    /// The store at a place that can be written to, and whether a checkpoint is there. The fingerprint of `training` may
    /// still be missing.
    pub fn open(place: Place, training: Training) -> Result<(Self, bool)> {
        place.probe()?;
        let written = place.read(MANIFEST)?;
        let is_there = written.is_some();
        Ok((Self { place, training, log: Vec::new(), ends: Vec::new(), parts: Vec::new(), written }, is_there))
    }

    /// What people call the checkpoint.
    pub fn name(&self) -> String {
        self.place.name_of(MANIFEST)
    }

    /// Clocks that are in the log.
    pub fn clock(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Clocks that are in the checkpoint.
    pub fn saved(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.to)
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

    /// Takes the checkpoint that is there, if there is one, as the beginning of this training's log.
    pub fn load(&mut self, fingerprint: &str) -> Result<Vec<Clock>> {
        self.training.fingerprint = fingerprint.into();
        let mut clocks = Vec::new();
        if self.written.is_some() {
            let State::Log(parts) = self.manifest()?.state;
            for part in &parts {
                self.load_part(part, &mut clocks)?;
            }
            self.parts = parts;
        }
        self.sweep()?;
        Ok(clocks)
    }

    fn load_part(&mut self, part: &Part, clocks: &mut Vec<Clock>) -> Result<()> {
        let bytes = self.place.read(&part.file)?.ok_or_else(|| self.unusable(&part.file, "it is not there".into()))?;
        if bytes.len() as u64 != part.bytes {
            let problem = format!("it has {} bytes, and the checkpoint says {}: it is damaged", bytes.len(), part.bytes);
            return Err(self.unusable(&part.file, problem));
        }
        if checksum(&bytes) != part.checksum {
            return Err(self.unusable(&part.file, "it is damaged: its checksum is not that of its content".into()));
        }
        let mut of_part = Vec::new();
        log::read(&bytes, &mut of_part).map_err(|problem| self.unusable(&part.file, problem))?;
        if part.from != self.clock() || part.to != self.clock() + of_part.len() as u64 {
            return Err(self.unusable(&part.file, "it holds other rounds than the checkpoint says".into()));
        }
        of_part.iter().for_each(|clock| self.append(clock));
        clocks.extend(of_part);
        Ok(())
    }

    /// Adds a clock to the log; it is saved with the next [`Store::save`].
    pub fn append(&mut self, clock: &[quelea_params::Packet]) {
        log::write(clock, &mut self.log);
        self.ends.push(self.log.len());
    }

    /// Writes what has been added since the last time.
    pub fn save(&mut self) -> Result<()> {
        let there = self.place.read(MANIFEST)?;
        if there.is_none() {
            // Somebody has removed it; what it named may be gone too.
            self.parts.clear();
        } else if there != self.written {
            let problem = "another training has written its checkpoint here; name another place in checkpoint.to".into();
            return Err(Error::Checkpoint { what: self.name(), problem });
        }
        let part = self.next_part();
        self.place.write(&part.file, self.bytes(part.from))?;
        let kept = self.parts.iter().filter(|before| before.to <= part.from);
        let parts: Vec<Part> = kept.cloned().chain([part.clone()]).collect();
        let manifest = Manifest { training: self.training.clone(), state: State::Log(parts.clone()) }.write();
        self.place.write(MANIFEST, &manifest)?;
        self.written = Some(manifest);
        let old = std::mem::replace(&mut self.parts, parts);
        old.iter().filter(|part| !self.parts.contains(part)).try_for_each(|part| self.place.remove(&part.file))
    }

    /// The bytes of the log from a clock on.
    fn bytes(&self, from: u64) -> &[u8] {
        let start = from.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        &self.log[start..]
    }

    /// What is not saved yet, as one file. It takes in the files before it that are no larger: so there are few, as the digits
    /// of a binary counter, and what is written in all grows little faster than the log.
    fn next_part(&self) -> Part {
        let larger = |part: &&Part| part.bytes > self.bytes(part.to).len() as u64;
        let from = self.parts.iter().rev().find(larger).map_or(0, |part| part.to);
        let (to, bytes) = (self.clock(), self.bytes(from));
        let checksum = checksum(bytes);
        Part { file: format!("{PART}{from}-{to}-{}", &checksum[..8]), from, to, bytes: bytes.len() as u64, checksum }
    }

    /// Removes the checkpoint: the manifest first, so that it is gone whole.
    pub fn remove(mut self) -> Result<()> {
        self.place.remove(MANIFEST)?;
        self.parts.clear();
        self.sweep()
    }

    /// Removes files of earlier checkpoints that the manifest does not name.
    fn sweep(&self) -> Result<()> {
        let is_old = |file: &&String| file.starts_with(PART) && self.parts.iter().all(|part| part.file != **file);
        self.place.list()?.iter().filter(is_old).try_for_each(|file| self.place.remove(file))
    }

    fn unusable(&self, file: &str, problem: String) -> Error {
        let what = self.place.name_of(file);
        Error::Checkpoint { what, problem: format!("{problem}; remove the checkpoint at {} to begin anew", self.name()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quelea_params::Packet;

    fn training(seed: u64) -> Training {
        Training { version: "1".into(), job: serde_json::json!({"run": {"seed": seed}}), start_from: None, fingerprint: "f".into() }
    }

    fn open(folder: &std::path::Path, seed: u64) -> Store {
        Store::open(Place::open(folder.to_str().unwrap()).unwrap(), training(seed)).unwrap().0
    }

    fn clock(number: usize) -> Vec<Packet> {
        (0..number % 3).map(|block| vec![number as u8; 10 + number % 50 + block].into()).collect()
    }

    #[test]
    fn a_log_that_is_saved_again_and_again_comes_back_from_few_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), 1);
        assert!(store.load("f").unwrap().is_empty());
        for number in 0..500 {
            store.append(&clock(number));
            store.save().unwrap();
            assert!(store.parts.len() <= 20 && std::fs::read_dir(folder.path()).unwrap().count() == store.parts.len() + 1);
        }
        let mut again = open(folder.path(), 1);
        assert_eq!(again.load("f").unwrap(), (0..500).map(clock).collect::<Vec<_>>());
        assert_eq!(open(folder.path(), 2).load("f").unwrap_err().to_string().matches("run.seed is 2 in the job, and 1").count(), 1);
        assert!(open(folder.path(), 1).load("g").unwrap_err().to_string().contains("other rows"));
        // It goes on where it stands, and what others have removed is written anew.
        std::fs::read_dir(folder.path()).unwrap().for_each(|file| std::fs::remove_file(file.unwrap().path()).unwrap());
        again.append(&clock(500));
        again.save().unwrap();
        assert_eq!(open(folder.path(), 1).load("f").unwrap().len(), 501);
        // The first store does not know of it.
        store.append(&clock(500));
        assert!(store.save().unwrap_err().to_string().contains("another training"));
        again.remove().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_changed_bit_and_no_cut_goes_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), 1);
        (0..9).for_each(|number| store.append(&clock(number)));
        store.save().unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let whole = std::fs::read(&path).unwrap();
            let refused = |bytes: &[u8]| {
                std::fs::write(&path, bytes).unwrap();
                let error = open(folder.path(), 1).load("f").unwrap_err().to_string();
                assert!(error.contains(path.to_str().unwrap()), "{error}");
            };
            for at in 0..whole.len() {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << (at % 8);
                refused(&bytes);
                refused(&whole[..at]);
            }
            std::fs::write(&path, &whole).unwrap();
        }
        assert_eq!(open(folder.path(), 1).load("f").unwrap().len(), 9);
    }
}
