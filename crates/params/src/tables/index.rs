//! Where the row of a key is: an open-addressing hash table of keys and places, cut into segments that grow one at a time, so
//! that no single insertion has to move more than a small part of a large table.

/// The place of no row.
pub const NOWHERE: u32 = u32::MAX;

/// The topmost bits of a hash choose the segment.
const SEGMENT_BITS: u32 = 10;

/// Entries of a segment when it gets its first.
const FIRST_ENTRIES: usize = 8;

/// Keys and their places.
#[derive(Debug)]
pub struct Index {
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, Default)]
struct Segment {
    /// None, or a power of two.
    entries: Vec<Entry>,
    used: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    place: u32,
}

impl Index {
    /// An index of no keys.
    pub fn new() -> Self {
        Self { segments: vec![Segment::default(); 1 << SEGMENT_BITS] }
    }

    /// Reads where `key` is looked up first and makes nothing of it: the memory is near afterwards. Many such reads in a row
    /// wait for the memory at the same time.
    #[inline(always)]
    pub fn touch(&self, hash: u64) -> u64 {
        let segment = self.segment(hash);
        segment.entries.get(segment.home(hash)).map_or(0, |entry| entry.key)
    }

    /// The place of `key`, whose hash is `hash`, or [`NOWHERE`].
    #[inline(always)]
    pub fn get(&self, hash: u64, key: u64) -> u32 {
        let segment = self.segment(hash);
        if segment.entries.is_empty() { NOWHERE } else { segment.entries[segment.find(hash, key)].place }
    }

    /// The place of `key`; if it has none yet, it gets `place`.
    #[inline(always)]
    pub fn get_or_insert(&mut self, hash: u64, key: u64, place: u32, hash_of: impl Fn(u64) -> u64) -> u32 {
        let segment = &mut self.segments[(hash >> (64 - SEGMENT_BITS)) as usize];
        // At most three quarters are used, so that searches stay short.
        if (segment.used + 1) * 4 > segment.entries.len() * 3 {
            segment.grow(hash_of);
        }
        let at = segment.find(hash, key);
        let entry = &mut segment.entries[at];
        if entry.place == NOWHERE {
            *entry = Entry { key, place };
            segment.used += 1;
        }
        entry.place
    }

    /// All keys, in ascending order.
    pub fn sorted_keys(&self) -> Vec<u64> {
        let mut keys = Vec::with_capacity(self.segments.iter().map(|segment| segment.used).sum());
        for segment in &self.segments {
            keys.extend(segment.entries.iter().filter(|entry| entry.place != NOWHERE).map(|entry| entry.key));
        }
        keys.sort_unstable();
        keys
    }

    #[inline(always)]
    fn segment(&self, hash: u64) -> &Segment {
        &self.segments[(hash >> (64 - SEGMENT_BITS)) as usize]
    }
}

impl Segment {
    #[inline(always)]
    fn home(&self, hash: u64) -> usize {
        // The bits below those that chose the segment.
        (hash << SEGMENT_BITS >> 32) as usize & self.entries.len().wrapping_sub(1)
    }

    /// Where `key` is, or the empty entry where it would be. There must be an empty entry.
    #[inline(always)]
    fn find(&self, hash: u64, key: u64) -> usize {
        let mask = self.entries.len() - 1;
        let mut at = self.home(hash);
        loop {
            let entry = self.entries[at & mask];
            if entry.key == key || entry.place == NOWHERE {
                // An empty entry's key is 0: it is not there either.
                return at & mask;
            }
            at += 1;
        }
    }

    #[cold]
    fn grow(&mut self, hash_of: impl Fn(u64) -> u64) {
        let larger = vec![Entry { key: 0, place: NOWHERE }; (self.entries.len() * 2).max(FIRST_ENTRIES)];
        for entry in std::mem::replace(&mut self.entries, larger) {
            if entry.place != NOWHERE {
                let at = self.find(hash_of(entry.key), entry.key);
                self.entries[at] = entry;
            }
        }
    }
}
