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

    /// Takes the checkpoint that is there, if there is one. Whether its rows are whole is known when they are read.
    pub fn load(&mut self, fingerprint: &str) -> Result<Saved> {
        let Some(State::Cut(saved)) = self.store.load(fingerprint)? else {
            self.sweep()?;
            return Ok(Saved::default());
        };
        let cut: Cut = self.read(&saved.standing)?;
        let parts = saved.rows.len() as u64;
        self.commits = cut.commits;
        self.saved = vec![saved];
        self.sweep()?;
        Ok(Saved { cut, parts })
    }

    /// A part of a cut that is saved.
    pub fn part(&self, cut: u64, part: u64) -> Result<Chunk> {
        let found = self.saved.iter().find(|saved| saved.number == cut).and_then(|saved| saved.rows.get(part as usize));
        let gone = || Error::Checkpoint { what: self.store.name(), problem: "somebody has removed it while it was needed".into() };
        self.read(found.ok_or_else(gone)?)
    }

    /// Saves a cut, whose pieces come as they are ready; whether it was ever complete. One that was not leaves nothing behind.
    pub fn save(&mut self, cut: &Cut, pieces: impl Iterator<Item = Result<Saving>>) -> Result<bool> {
        let before = self.saved.pop();
        self.saved.clear();
        // Somebody may have removed it, and where there was doubt there is none now.
        if let Some(State::Cut(there)) = self.store.look()? {
            if before.as_ref().is_none_or(|before| before.number != there.number) {
                self.commits = self.read::<Cut>(&there.standing)?.commits;
                // It is the one that a run may still go back to.
                self.saved.extend(before);
            }
            self.saved.push(there);
        }
        self.sweep()?;
        let saved = self.write(cut, pieces);
        if !matches!(saved, Ok(true)) && !self.store.is_in_doubt() {
            self.sweep()?;
        }
        saved
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::manifest::Training;
    use super::super::place::Place;
    use super::super::testing::assert_damage_is_noticed;
    use super::*;

    fn open(folder: &Path) -> Cuts {
        let training = Training { version: "1".into(), job: serde_json::json!({}), start_from: None, fingerprint: "f".into() };
        Cuts::new(Store::open(Place::open(folder.to_str().unwrap()).unwrap(), training).unwrap())
    }

    fn chunk(cut: u64, part: u64) -> Chunk {
        Chunk { table: 0, keys: (10 * part..10 * part + 3).collect(), rows: vec![(cut + part) as f32; 6] }
    }

    fn cut(number: u64) -> Cut {
        Cut { number, commits: 5 * number, tiles: vec![number; 4], ..Cut::default() }
    }

    /// A cut of two parts, up to piece number `end`; the third is its end.
    fn save(cuts: &mut Cuts, number: u64, end: usize) {
        let pieces = [Saving::Part(chunk(number, 0)), Saving::Part(chunk(number, 1)), Saving::End];
        cuts.save(&cut(number), pieces.into_iter().take(end).map(Ok)).unwrap();
    }

    fn files(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn the_last_two_cuts_can_be_read_and_what_is_not_whole_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut cuts = open(folder.path());
        assert_eq!(cuts.load("f").unwrap(), Saved::default());
        for number in 1..=3 {
            save(&mut cuts, number, 3);
        }
        assert_eq!((cuts.number(), cuts.commits(), files(folder.path())), (3, 15, 7));
        assert_eq!([2, 3].map(|cut| cuts.part(cut, 1).unwrap()), [2, 3].map(|cut| chunk(cut, 1)));
        assert!(cuts.part(1, 0).unwrap_err().to_string().contains("removed"));
        for end in 0..3 {
            save(&mut cuts, 4, end);
            assert_eq!((cuts.number(), files(folder.path())), (3, 4));
        }
        let mut again = open(folder.path());
        let Saved { cut, parts } = again.load("f").unwrap();
        assert_eq!((cut.number, cut.commits, cut.tiles, parts), (3, 15, vec![3; 4], 2));
        assert_eq!(again.part(3, 0).unwrap(), chunk(3, 0));
        again.store.remove().unwrap();
        assert_eq!(files(folder.path()), 0);
    }

    /// The manifest after so many cuts.
    fn manifest_after(cuts: u64) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let mut other = open(folder.path());
        other.load("f").unwrap();
        (1..=cuts).for_each(|number| save(&mut other, number, 3));
        std::fs::read(folder.path().join("checkpoint")).unwrap()
    }

    #[test]
    fn what_an_unanswered_write_may_have_left_is_kept_until_it_is_known() {
        for (there, cuts_read) in [(1, vec![1, 3]), (2, vec![1, 2, 3])] {
            let folder = tempfile::tempdir().unwrap();
            let mut cuts = open(folder.path());
            cuts.load("f").unwrap();
            save(&mut cuts, 1, 3);
            let manifest = folder.path().join("checkpoint");
            // A folder in its place can be neither written over nor read.
            let block = manifest.clone();
            let pieces = [Saving::Part(chunk(2, 0)), Saving::Part(chunk(2, 1)), Saving::End].into_iter().inspect(move |piece| {
                if *piece == Saving::End {
                    std::fs::remove_file(&block).unwrap();
                    std::fs::create_dir(&block).unwrap();
                }
            });
            cuts.save(&cut(2), pieces.map(Ok)).unwrap_err();
            assert!(cuts.store.is_in_doubt());
            assert_eq!((cuts.number(), cuts.part(1, 0).unwrap(), files(folder.path())), (1, chunk(1, 0), 7));
            std::fs::remove_dir(&manifest).unwrap();
            std::fs::write(&manifest, manifest_after(there)).unwrap();
            save(&mut cuts, 3, 3);
            let readable: Vec<u64> = (1..=3).filter(|&cut| cuts.part(cut, 1).is_ok()).collect();
            assert_eq!((cuts.number(), readable), (3, cuts_read));
            assert_eq!(open(folder.path()).load("f").unwrap().cut.number, 3);
        }
    }

    #[test]
    fn no_changed_bit_and_no_cut_off_byte_goes_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        save(&mut open(folder.path()), 1, 3);
        let read = || {
            let mut cuts = open(folder.path());
            let Saved { cut, parts } = cuts.load("")?;
            (0..parts).map(|part| cuts.part(cut.number, part)).collect::<Result<Vec<_>>>()
        };
        assert_eq!(read().unwrap().len(), 2);
        assert_damage_is_noticed(folder.path(), read);
        assert_eq!(read().unwrap().len(), 2);
    }
}
