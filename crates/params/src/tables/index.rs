//! Where the row of a key is. Small keys, as the numbers of columns are, have an entry each. The others are in a hash table in
//! segments of a bounded size. A segment that is full is parted in two (extendible hashing, Fagin, Nievergelt, Pippenger,
//! Strong 1979), so an insertion never has to move more than a few megabytes.

use quelea_core::counter::mix;
use quelea_core::prefetch::prefetch;

use super::memory::{LARGE, Memory};
use crate::Problem;

/// The place of no row.
pub const NOWHERE: u32 = u32::MAX;

/// Keys below this have an entry each, of 4 bytes, up to the largest that was ever there.
const SMALL: u64 = 1 << 24;
/// The least entries of small keys, where there are any.
const FEW: usize = 256;
/// Entries of the first segment at first.
const FIRST_ENTRIES: usize = 256;
/// Entries of a segment that is parted rather than enlarged.
const MOST_ENTRIES: usize = LARGE / size_of::<Entry>();

/// A key, and its row's place plus 1; 0 where there is no key.
type Entry = [u64; 2];

/// Keys and their places.
#[derive(Debug)]
pub struct Index {
    /// Of each small key its row's place plus 1, or 0.
    small: Option<Memory>,
    /// The segment of each group of hashes that begin alike; there are 2^`bits` groups.
    directory: Vec<u32>,
    bits: u32,
    segments: Vec<Segment>,
}

/// The keys whose hashes begin with the same `bits` bits.
#[derive(Debug)]
struct Segment {
    memory: Memory,
    bits: u32,
    used: usize,
}

impl Index {
    /// An index of no keys.
    pub fn new() -> Result<Self, Problem> {
        Ok(Self { small: None, directory: vec![0], bits: 0, segments: vec![Segment::new(0, FIRST_ENTRIES)?] })
    }

    /// A copy.
    pub fn copy(&self) -> Result<Self, Problem> {
        let of = |segment: &Segment| Ok(Segment { memory: segment.memory.copy()?, bits: segment.bits, used: segment.used });
        let segments = self.segments.iter().map(of).collect::<Result<_, Problem>>()?;
        let small = self.small.as_ref().map(Memory::copy).transpose()?;
        Ok(Self { small, directory: self.directory.clone(), bits: self.bits, segments })
    }

    /// Asks for the memory where a key is looked up first.
    #[inline(always)]
    pub fn prefetch(&self, key: u64) {
        if key < SMALL {
            if let Some(entry) = self.small().get(key as usize) {
                prefetch(entry);
            }
        } else {
            let hash = mix(key);
            let entries = self.segments[self.segment_of(hash)].memory.of::<Entry>();
            prefetch(&entries[home(entries, hash)]);
        }
    }

    /// The place of `key`, or [`NOWHERE`].
    #[inline(always)]
    pub fn get(&self, key: u64) -> u32 {
        let entry = if key < SMALL {
            self.small().get(key as usize).copied().unwrap_or(0)
        } else {
            let hash = mix(key);
            let entries = self.segments[self.segment_of(hash)].memory.of::<Entry>();
            entries[find(entries, hash, key)][1] as u32
        };
        // 0 - 1 is nowhere.
        entry.wrapping_sub(1)
    }

    /// Gives a place to `key`, which has none yet.
    pub fn insert(&mut self, key: u64, place: u32) -> Result<(), Problem> {
        if key < SMALL {
            return self.insert_small(key as usize, place);
        }
        let hash = mix(key);
        loop {
            let at = self.segment_of(hash);
            let segment = &mut self.segments[at];
            let entries = segment.memory.of::<Entry>().len();
            // At most three quarters are used, so that searches stay short.
            if (segment.used + 1) * 4 <= entries * 3 {
                segment.put(hash, [key, u64::from(place) + 1]);
                return Ok(());
            }
            if entries < MOST_ENTRIES || segment.bits == 32 {
                let mut larger = Segment::new(segment.bits, entries * 2)?;
                segment.entries().for_each(|entry| larger.put(mix(entry[0]), *entry));
                *segment = larger;
            } else {
                self.part(at)?;
            }
        }
    }

    /// All keys, in ascending order.
    pub fn sorted_keys(&self) -> Vec<u64> {
        let mut keys: Vec<u64> = (0..).zip(self.small()).filter(|(_, place)| **place != 0).map(|(key, _)| key).collect();
        let small = keys.len();
        for segment in &self.segments {
            keys.extend(segment.entries().map(|entry| entry[0]));
        }
        keys[small..].sort_unstable();
        keys
    }

    #[inline(always)]
    fn small(&self) -> &[u32] {
        self.small.as_ref().map_or(&[], Memory::of)
    }

    fn insert_small(&mut self, key: usize, place: u32) -> Result<(), Problem> {
        let len = self.small().len();
        if len <= key {
            let mut larger = Memory::new((key + 1).next_power_of_two().max(FEW) * size_of::<u32>())?;
            larger.of_mut()[..len].copy_from_slice(self.small());
            self.small = Some(larger);
        }
        if let Some(small) = &mut self.small {
            small.of_mut::<u32>()[key] = place + 1;
        }
        Ok(())
    }

    #[inline(always)]
    fn segment_of(&self, hash: u64) -> usize {
        // In two steps: all 64 bits cannot be shifted out at once.
        self.directory[(hash >> 1 >> (63 - self.bits)) as usize] as usize
    }

    /// Parts a segment by one more bit of the hashes.
    fn part(&mut self, at: usize) -> Result<(), Problem> {
        let bits = self.segments[at].bits + 1;
        let mut halves = [Segment::new(bits, MOST_ENTRIES)?, Segment::new(bits, MOST_ENTRIES)?];
        for entry in self.segments[at].entries() {
            let hash = mix(entry[0]);
            halves[(hash >> (64 - bits) & 1) as usize].put(hash, *entry);
        }
        if bits > self.bits {
            self.directory = self.directory.iter().flat_map(|segment| [*segment; 2]).collect();
            self.bits = bits;
        }
        let other = self.segments.len() as u32;
        let [low, high] = halves;
        self.segments[at] = low;
        self.segments.push(high);
        for (group, segment) in self.directory.iter_mut().enumerate() {
            if *segment == at as u32 && group >> (self.bits - bits) & 1 == 1 {
                *segment = other;
            }
        }
        Ok(())
    }
}

impl Segment {
    fn new(bits: u32, entries: usize) -> Result<Self, Problem> {
        Ok(Self { memory: Memory::new(entries * size_of::<Entry>())?, bits, used: 0 })
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.memory.of::<Entry>().iter().filter(|entry| entry[1] != 0)
    }

    fn put(&mut self, hash: u64, entry: Entry) {
        let entries = self.memory.of_mut::<Entry>();
        let at = find(entries, hash, entry[0]);
        entries[at] = entry;
        self.used += 1;
    }
}

/// Where `key` is, or the empty entry where it would be. There must be an empty one.
#[inline(always)]
fn find(entries: &[Entry], hash: u64, key: u64) -> usize {
    let mut at = home(entries, hash);
    while entries[at][0] != key && entries[at][1] != 0 {
        at = (at + 1) & (entries.len() - 1);
    }
    at
}

/// Where a key is looked up first. The lowest bits of its hash say which shard keeps it, so here they are much the same.
#[inline(always)]
fn home(entries: &[Entry], hash: u64) -> usize {
    (hash >> 16) as usize & (entries.len() - 1)
}
