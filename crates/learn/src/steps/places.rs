//! Numbers the distinct columns of a mini-batch, in ascending order.

/// Words of a bitmap that are looked at for each column that a mini-batch has, at the most; beyond, columns are sorted.
const WORDS_PER_ENTRY: u64 = 4;

/// Collects columns.
pub enum Marks {
    /// A bit for each column there is.
    Bits(Vec<u64>),
    /// The columns, as often as they were seen.
    Seen(Vec<u64>),
}

/// The distinct columns, each with its place among them.
pub enum Places {
    /// The bits, and how many there are before each word.
    Bits(Vec<u64>, Vec<u32>),
    /// The columns in ascending order.
    Sorted(Vec<u64>),
}

impl Marks {
    /// For columns below `width`, of which about `entries` will be marked, some of them often.
    pub fn new(width: u64, entries: usize) -> Self {
        let words = width.div_ceil(64);
        if words <= WORDS_PER_ENTRY * entries as u64 + 1_024 { Self::Bits(vec![0; words as usize]) } else { Self::Seen(Vec::new()) }
    }

    /// Marks columns of a range that begins at `first`.
    #[inline(always)]
    pub fn mark(&mut self, columns: impl Iterator<Item = u64>) {
        match self {
            Self::Bits(words) => columns.for_each(|column| words[(column >> 6) as usize] |= 1 << (column & 63)),
            Self::Seen(seen) => seen.extend(columns),
        }
    }

    /// The places of all that was marked, and the columns themselves.
    pub fn rank(self) -> (Places, Vec<u64>) {
        match self {
            Self::Bits(words) => {
                let mut ranks = Vec::with_capacity(words.len());
                let mut columns = Vec::with_capacity(words.iter().map(|word| word.count_ones() as usize).sum());
                for (first, &word) in (0..).step_by(64).zip(&words) {
                    ranks.push(columns.len() as u32);
                    let mut left = word;
                    while left != 0 {
                        columns.push(first + u64::from(left.trailing_zeros()));
                        left &= left - 1;
                    }
                }
                (Places::Bits(words, ranks), columns)
            }
            Self::Seen(mut seen) => {
                seen.sort_unstable();
                seen.dedup();
                (Places::Sorted(seen.clone()), seen)
            }
        }
    }
}

impl Places {
    /// The place of a column that was marked.
    #[inline(always)]
    pub fn of(&self, column: u64) -> u32 {
        match self {
            Self::Bits(words, ranks) => {
                let at = (column >> 6) as usize;
                ranks[at] + (words[at] & ((1 << (column & 63)) - 1)).count_ones()
            }
            Self::Sorted(columns) => columns.partition_point(|&other| other < column) as u32,
        }
    }
}
