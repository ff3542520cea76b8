//! From the rows at each leaf of a tree to the values added to their scores.

use super::{Bits, WORDS};
use crate::score::kernel::BLOCK_ROWS;

/// Bits of leaf numbers that the vector kernel has tables for.
const MOST_VECTOR_BITS: usize = 6;
/// Bits of leaf numbers at the most.
const MOST_BITS: usize = super::MOST_LEAVES.ilog2() as usize;

/// The values of a tree's leaves.
#[derive(Debug)]
pub struct LeafTable {
    /// By the number of the leaf, up to the next power of two, and then a multiple of 16.
    values: Vec<[f32; 16]>,
    /// Bits of a leaf's number.
    bits: usize,
}

impl LeafTable {
    /// The table of `leaves`.
    pub fn new(leaves: &[f32]) -> Self {
        let bits = leaves.len().next_power_of_two().ilog2() as usize;
        let mut values = vec![[0.0; 16]; (1usize << bits).div_ceil(16)];
        values.as_flattened_mut()[..leaves.len()].copy_from_slice(leaves);
        Self { values, bits }
    }

    /// How many slots of rows the leaves take: a power of two.
    pub fn slots(&self) -> usize {
        1 << self.bits
    }

    /// Adds to `scores` the value of the leaf that each row is at. The slots are used up.
    pub fn add(&self, slots: &mut [Bits], words: usize, scores: &mut [f64; BLOCK_ROWS]) {
        let mut planes = [Bits::NONE; MOST_BITS];
        pulp::Arch::new().dispatch(Fold { slots, planes: &mut planes[..self.bits] });
        #[cfg(target_arch = "x86_64")]
        if self.bits <= MOST_VECTOR_BITS
            && let Some(simd) = pulp::x86::V4::try_new()
        {
            return vector::add(simd, &self.values, &planes[..self.bits], words, scores);
        }
        self.add_looked_up(&planes[..self.bits], words, scores);
    }

    fn add_looked_up(&self, planes: &[Bits], words: usize, scores: &mut [f64; BLOCK_ROWS]) {
        let values = self.values.as_flattened();
        let (scores, _) = scores.as_chunks_mut::<64>();
        for (word, scores) in scores.iter_mut().enumerate().take(words.min(WORDS)) {
            let mut numbers = [0u32; 64];
            for (bit, plane) in planes.iter().enumerate() {
                for (row, number) in numbers.iter_mut().enumerate() {
                    *number |= (((plane.0[word] >> row) & 1) as u32) << bit;
                }
            }
            scores.iter_mut().zip(numbers).for_each(|(score, number)| *score += f64::from(values[number as usize]));
        }
    }
}

/// The bits of each row's leaf number, lowest first: the leaves of the upper half have the highest bit; the halves are laid
/// over each other, and so on.
struct Fold<'a> {
    slots: &'a mut [Bits],
    planes: &'a mut [Bits],
}

impl pulp::WithSimd for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for bit in (0..self.planes.len()).rev() {
            let (low, high) = self.slots.split_at_mut(1 << bit);
            let mut all = Bits::NONE;
            for (low, high) in low.iter_mut().zip(high) {
                all = all.or(high);
                *low = low.or(high);
            }
            self.planes[bit] = all;
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod vector {
    //! The same with AVX-512: the values lie in registers and are looked up by permutation.

    use std::arch::x86_64::{__m512, __m512i};

    use pulp::x86::V4;

    use super::{BLOCK_ROWS, Bits, WORDS};

    struct Add<'a> {
        simd: V4,
        values: &'a [[f32; 16]],
        planes: &'a [Bits],
        words: usize,
        scores: &'a mut [f64; BLOCK_ROWS],
    }

    impl pulp::NullaryFnOnce for Add<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { simd, values, planes, words, scores } = self;
            let table: [[f32; 16]; 4] = std::array::from_fn(|i| values.get(i).copied().unwrap_or_default());
            let table = table.map(pulp::cast::<_, __m512>);
            let (scores, _) = scores.as_chunks_mut::<16>();
            for word in 0..words.min(WORDS) {
                let mut numbers = simd.avx512f._mm512_setzero_si512();
                for (bit, plane) in planes.iter().enumerate() {
                    let own = simd.avx512f._mm512_set1_epi8(1 << bit);
                    numbers = simd.avx512bw._mm512_mask_add_epi8(numbers, plane.0[word], numbers, own);
                }
                let quarters: [[u8; 16]; 4] = pulp::cast(numbers);
                for (quarter, numbers) in quarters.into_iter().enumerate() {
                    let numbers = simd.avx512f._mm512_cvtepu8_epi32(pulp::cast(numbers));
                    let looked_up: [f32; 16] = pulp::cast(look_up(simd, &table, planes.len(), numbers));
                    let scores = &mut scores[word * 4 + quarter];
                    scores.iter_mut().zip(looked_up).for_each(|(score, value)| *score += f64::from(value));
                }
            }
        }
    }

    #[inline(always)]
    fn look_up(simd: V4, table: &[__m512; 4], bits: usize, numbers: __m512i) -> __m512 {
        let low = simd.avx512f._mm512_permutex2var_ps(table[0], numbers, table[1]);
        if bits < 6 {
            return low;
        }
        let high = simd.avx512f._mm512_permutex2var_ps(table[2], numbers, table[3]);
        let is_high = simd.avx512f._mm512_test_epi32_mask(numbers, simd.avx512f._mm512_set1_epi32(32));
        simd.avx512f._mm512_mask_blend_ps(is_high, low, high)
    }

    pub fn add(simd: V4, values: &[[f32; 16]], planes: &[Bits], words: usize, scores: &mut [f64; BLOCK_ROWS]) {
        simd.vectorize(Add { simd, values, planes, words, scores });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_gets_the_value_of_its_leaf() {
        for count in [1, 2, 3, 16, 31, 32, 33, 64, 65, 1_000] {
            let leaves: Vec<f32> = (0..count).map(|l| l as f32 * 0.1 - 3.0).collect();
            let table = LeafTable::new(&leaves);
            let leaf = |row: usize| row * 7 % count;
            let mut slots = vec![Bits::NONE; table.slots()];
            (0..BLOCK_ROWS).for_each(|row| slots[leaf(row)].0[row / 64] |= 1 << (row % 64));
            let mut planes = [Bits::NONE; MOST_BITS];
            pulp::Arch::new().dispatch(Fold { slots: &mut slots.clone(), planes: &mut planes[..table.bits] });
            let (mut scores, mut looked_up) = ([1.5; BLOCK_ROWS], [1.5; BLOCK_ROWS]);
            table.add(&mut slots, WORDS, &mut scores);
            table.add_looked_up(&planes[..table.bits], WORDS, &mut looked_up);
            let expected: Vec<f64> = (0..BLOCK_ROWS).map(|row| 1.5 + f64::from(leaves[leaf(row)])).collect();
            assert_eq!((&scores[..], &looked_up[..]), (&expected[..], &expected[..]), "{count} leaves");
        }
    }
}
