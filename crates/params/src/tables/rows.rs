//! Rows of numbers in chunks of memory that never move.

use quelea_core::prefetch::prefetch;

use super::memory::Memory;
use crate::Problem;

/// Numbers in a chunk at most, unless a row has more: 32 MB. What is not used of it takes no memory.
const CHUNK_NUMBERS: usize = 1 << 23;

/// Numbers in a line of the processor's cache.
const LINE: usize = 16;

/// Rows of one length, numbered from 0.
#[derive(Debug)]
pub struct Rows {
    /// Numbers in a row.
    length: usize,
    /// A chunk has 2^`chunk_bits` rows.
    chunk_bits: u32,
    chunks: Vec<Memory>,
    count: u32,
}

impl Rows {
    /// No rows; each is to have `length` numbers, at least 1.
    pub fn new(length: usize) -> Self {
        Self { length, chunk_bits: (CHUNK_NUMBERS / length).max(1).ilog2(), chunks: Vec::new(), count: 0 }
    }

    /// A copy, which takes no more memory than its rows need.
    pub fn copy(&self) -> Result<Self, Problem> {
        let mut copy = Self::new(self.length);
        copy.count = self.count;
        let chunks = (self.count as usize).div_ceil(1 << self.chunk_bits);
        for (chunk, number) in self.chunks.iter().zip(0..chunks) {
            let rows = (self.count as usize - (number << self.chunk_bits)).min(1 << self.chunk_bits);
            copy.chunks.push(Memory::new((self.length << self.chunk_bits) * size_of::<f32>())?);
            let used = rows * self.length;
            copy.chunks[number].of_mut::<f32>()[..used].copy_from_slice(&chunk.of()[..used]);
        }
        Ok(copy)
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
    pub fn push(&mut self) -> Result<&mut [f32], Problem> {
        let number = self.count;
        if number == u32::MAX {
            return Err(Problem::Memory { bytes: (self.length * size_of::<f32>()) as u64 });
        }
        if (number >> self.chunk_bits) as usize == self.chunks.len() {
            self.chunks.push(Memory::new((self.length << self.chunk_bits) * size_of::<f32>())?);
        }
        self.count += 1;
        Ok(self.get_mut(number))
    }

    /// Row number `number`, which must be there.
    #[inline(always)]
    pub fn get(&self, number: u32) -> &[f32] {
        &self.chunks[(number >> self.chunk_bits) as usize].of()[self.within(number)..][..self.length]
    }

    /// Row number `number`, which must be there.
    #[inline(always)]
    pub fn get_mut(&mut self, number: u32) -> &mut [f32] {
        let within = self.within(number);
        &mut self.chunks[(number >> self.chunk_bits) as usize].of_mut()[within..][..self.length]
    }

    /// Asks for the memory of a row.
    #[inline(always)]
    pub fn prefetch(&self, number: u32) {
        self.get(number).iter().step_by(LINE).for_each(prefetch);
    }

    #[inline(always)]
    fn within(&self, number: u32) -> usize {
        (number as usize & ((1 << self.chunk_bits) - 1)) * self.length
    }
}
