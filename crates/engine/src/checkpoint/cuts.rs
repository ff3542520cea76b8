//! The checkpoints of a training by steps: a cut, and the rows of its tables in files of some megabytes. The cut before stays
//! until the next one is written, for a run that goes back meanwhile.

use quelea_params::run::{Cut, Saved, Saving};
use quelea_params::tables::Chunk;

use super::manifest::{self, File, State};
use super::store::Store;
use crate::{Error, Result};

/// The cuts of a training that are saved.
pub(super) struct Cuts {
    pub store: Store,
    /// The newest last; at most two.
    saved: Vec<manifest::Cut>,
    /// Commits in the newest.
    commits: u64,
}

impl Cuts {
    pub fn new(store: Store) -> Self {
        Self { store, saved: Vec::new(), commits: 0 }
    }

    /// The number of the newest cut that is saved; 0 if there is none.
    pub fn number(&self) -> u64 {
        self.saved.last().map_or(0, |cut| cut.number)
    }

    /// Commits in the newest cut that is saved.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Takes the checkpoint that is there, if there is one. That all its files are whole is known afterwards.
    pub fn load(&mut self, fingerprint: &str) -> Result<Saved> {
        let Some(State::Cut(saved)) = self.store.load(fingerprint)? else {
            self.sweep()?;
            return Ok(Saved::default());
        };
        let cut: Cut = self.read(&saved.standing)?;
        saved.rows.iter().try_for_each(|file| self.read::<Chunk>(file).map(drop))?;
        let parts = saved.rows.len() as u64;
        self.commits = cut.commits;
        self.saved = vec![saved];
        self.sweep()?;
        Ok(Saved { cut, parts })
    }

    /// A part of a cut that is saved.
    pub fn part(&self, cut: u64, part: u64) -> Result<Chunk> {
        let found = self.saved.iter().find(|saved| saved.number == cut).and_then(|saved| saved.rows.get(part as usize));
        self.read(found.ok_or_else(|| Error::internal(format!("part {part} of cut {cut} was never saved")))?)
    }

    /// Saves a cut, whose pieces come as they are ready. One that is never complete leaves nothing behind.
    pub fn save(&mut self, cut: &Cut, pieces: impl Iterator<Item = Result<Saving>>) -> Result<()> {
        if !self.store.look()? {
            // Somebody has removed it.
            self.saved.clear();
        }
        self.saved.drain(..self.saved.len().saturating_sub(1));
        self.sweep()?;
        let saved = self.write(cut, pieces);
        if !matches!(saved, Ok(true)) {
            self.sweep()?;
        }
        saved.map(drop)
    }

    /// Whether it is complete.
    fn write(&mut self, cut: &Cut, pieces: impl Iterator<Item = Result<Saving>>) -> Result<bool> {
        let mut rows = Vec::new();
        for piece in pieces {
            match piece? {
                Saving::Part(chunk) => {
                    let name = format!("rows-{}-{}", cut.number, rows.len());
                    rows.push(self.store.write(&name, &bytes_of(&chunk))?);
                }
                Saving::End => {
                    let standing = self.store.write(&format!("cut-{}", cut.number), &bytes_of(cut))?;
                    let saved = manifest::Cut { number: cut.number, standing, rows };
                    self.store.commit(State::Cut(saved.clone()))?;
                    self.commits = cut.commits;
                    self.saved.push(saved);
                    return Ok(true);
                }
                Saving::Begin(_) | Saving::Abandon => break,
            }
        }
        Ok(false)
    }

    fn sweep(&self) -> Result<()> {
        let has = |saved: &manifest::Cut, file: &str| saved.standing.file == file || saved.rows.iter().any(|rows| rows.file == file);
        self.store.sweep(|file| self.saved.iter().any(|saved| has(saved, file)))
    }

    fn read<T: serde::de::DeserializeOwned>(&self, file: &File) -> Result<T> {
        let bytes = self.store.read(file)?;
        postcard::from_bytes(&bytes).map_err(|e| self.store.unusable(&file.file, format!("it cannot be read: {e}")))
    }
}

fn bytes_of(what: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_allocvec(what).expect("numbers are plain data")
}
