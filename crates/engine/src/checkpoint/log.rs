//! The checkpoints of a training by rounds: the candidates of all clocks up to a boundary, in files that follow each other.
//! Their bytes are those of each clock after those of the one before, so that files can be joined.

use quelea_params::Packet;

use super::manifest::{Part, State};
use super::store::Store;
use crate::Result;

/// The candidates of one clock in the order of their blocks.
pub(crate) type Clock = Vec<Packet>;

/// The log of a training, and what of it is saved.
pub(super) struct Log {
    pub store: Store,
    /// All that was committed up to the last boundary, and where in it each clock ends.
    log: Vec<u8>,
    ends: Vec<usize>,
    /// The files that hold its first clocks.
    parts: Vec<Part>,
}

impl Log {
    pub fn new(store: Store) -> Self {
        Self { store, log: Vec::new(), ends: Vec::new(), parts: Vec::new() }
    }

    /// Clocks that are in the log.
    pub fn clock(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Clocks that are in the checkpoint.
    pub fn saved(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.to)
    }

    /// Takes the checkpoint that is there, if there is one, as the beginning of this training's log.
    pub fn load(&mut self, fingerprint: &str) -> Result<Vec<Clock>> {
        let mut clocks = Vec::new();
        if let Some(State::Log(parts)) = self.store.load(fingerprint)? {
            for part in &parts {
                self.load_part(part, &mut clocks)?;
            }
            self.parts = parts;
        }
        self.store.sweep(|file| self.parts.iter().any(|part| part.of.file == file))?;
        Ok(clocks)
    }

    fn load_part(&mut self, part: &Part, clocks: &mut Vec<Clock>) -> Result<()> {
        let bytes = self.store.read(&part.of)?;
        let mut of_part = Vec::new();
        read(&bytes, &mut of_part).map_err(|problem| self.store.unusable(&part.of.file, problem))?;
        if part.from != self.clock() || part.to != self.clock() + of_part.len() as u64 {
            return Err(self.store.unusable(&part.of.file, "it holds other rounds than the checkpoint says".into()));
        }
        of_part.iter().for_each(|clock| self.append(clock));
        clocks.extend(of_part);
        Ok(())
    }

    /// Adds a clock to the log; it is saved with the next [`Log::save`].
    pub fn append(&mut self, clock: &[Packet]) {
        write(clock, &mut self.log);
        self.ends.push(self.log.len());
    }

    /// Writes what has been added since the last time.
    pub fn save(&mut self) -> Result<()> {
        // Somebody may have removed it, and what it named; where there was doubt there is none now.
        self.parts = match self.store.look()? {
            Some(State::Log(there)) => there,
            _ => Vec::new(),
        };
        let (from, to) = (self.next_from(), self.clock());
        let of = self.store.write(&format!("log-{from}-{to}"), self.bytes(from))?;
        let kept = self.parts.iter().filter(|before| before.to <= from);
        let parts: Vec<Part> = kept.cloned().chain([Part { of, from, to }]).collect();
        self.store.commit(State::Log(parts.clone()))?;
        let old = std::mem::replace(&mut self.parts, parts);
        old.iter().filter(|part| !self.parts.contains(part)).try_for_each(|part| self.store.remove_file(&part.of))
    }

    /// The bytes of the log from a clock on.
    fn bytes(&self, from: u64) -> &[u8] {
        let start = from.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        &self.log[start..]
    }

    /// Where the file begins that holds what is not saved yet. It takes in the files before it that are no larger: so there are
    /// few, as the digits of a binary counter, and what is written in all grows little faster than the log.
    fn next_from(&self) -> u64 {
        let larger = |part: &&Part| part.of.bytes > self.bytes(part.to).len() as u64;
        self.parts.iter().rev().find(larger).map_or(0, |part| part.to)
    }
}

/// Adds a clock.
fn write(clock: &[Packet], to: &mut Vec<u8>) {
    to.extend(postcard::to_allocvec(clock).expect("bytes are plain data"));
}

/// Adds the clocks of `bytes` to `clocks`, or says what is wrong.
fn read(mut bytes: &[u8], clocks: &mut Vec<Clock>) -> Result<(), String> {
    while !bytes.is_empty() {
        let (clock, rest) = postcard::take_from_bytes(bytes).map_err(|e| format!("it cannot be read: {e}"))?;
        clocks.push(clock);
        bytes = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Training;
    use super::super::place::Place;
    use super::super::testing::assert_damage_is_noticed;
    use super::*;

    fn training(seed: u64) -> Training {
        Training { version: "1".into(), job: serde_json::json!({"run": {"seed": seed}}), start_from: None, fingerprint: "f".into() }
    }

    fn open(folder: &std::path::Path, seed: u64) -> Log {
        Log::new(Store::open(Place::open(folder.to_str().unwrap()).unwrap(), training(seed)).unwrap())
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
        again.store.remove().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_changed_bit_and_no_cut_goes_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(folder.path(), 1);
        (0..9).for_each(|number| store.append(&clock(number)));
        store.save().unwrap();
        assert_damage_is_noticed(folder.path(), || open(folder.path(), 1).load("f"));
        assert_eq!(open(folder.path(), 1).load("f").unwrap().len(), 9);
    }
}
