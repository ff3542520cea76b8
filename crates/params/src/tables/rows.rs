//! Rows of numbers in chunks of memory that never move.

/// Numbers in a chunk, about: 8 MB.
const CHUNK_NUMBERS: usize = 1 << 21;

/// Numbers in a line of the processor's cache.
const LINE: usize = 16;

/// Rows of one length, numbered from 0.
#[derive(Debug)]
pub struct Rows {
    /// Numbers in a row.
    length: usize,
    /// A chunk has 2^`chunk_bits` rows.
    chunk_bits: u32,
    chunks: Vec<Chunk>,
    count: u32,
}

#[derive(Debug)]
struct Chunk {
    numbers: Vec<f32>,
    /// Where the first row begins: at the beginning of a cache line.
    first: usize,
}

impl Rows {
    /// No rows; each is to have `length` numbers, at least 1.
    pub fn new(length: usize) -> Self {
        Self { length, chunk_bits: (CHUNK_NUMBERS / length).max(1).ilog2(), chunks: Vec::new(), count: 0 }
    }

    /// How many rows there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Numbers in a row.
    pub fn length(&self) -> usize {
        self.length
    }

    /// One more row, of zeros. Its number is the count before.
    pub fn push(&mut self) -> &mut [f32] {
        let number = self.count;
        if (number >> self.chunk_bits) as usize == self.chunks.len() {
            let numbers = vec![0.0; (self.length << self.chunk_bits) + LINE];
            let first = numbers.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
            self.chunks.push(Chunk { numbers, first });
        }
        self.count += 1;
        self.get_mut(number)
    }

    /// Row number `number`, which must be there.
    #[inline(always)]
    pub fn get(&self, number: u32) -> &[f32] {
        let chunk = &self.chunks[(number >> self.chunk_bits) as usize];
        &chunk.numbers[chunk.first + self.within(number)..][..self.length]
    }

    /// Row number `number`, which must be there.
    #[inline(always)]
    pub fn get_mut(&mut self, number: u32) -> &mut [f32] {
        let within = self.within(number);
        let chunk = &mut self.chunks[(number >> self.chunk_bits) as usize];
        &mut chunk.numbers[chunk.first + within..][..self.length]
    }

    /// Reads some of a row and makes nothing of it: its memory is near afterwards.
    #[inline(always)]
    pub fn touch(&self, number: u32) -> u32 {
        self.get(number).iter().step_by(LINE).fold(0, |sum, value| sum ^ value.to_bits())
    }

    #[inline(always)]
    fn within(&self, number: u32) -> usize {
        (number as usize & ((1 << self.chunk_bits) - 1)) * self.length
    }
}
