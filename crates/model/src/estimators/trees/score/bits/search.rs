//! The search of numbers among a feature's thresholds, which gives the bits of their ranks.

use super::{Bits, WORDS};
use crate::score::kernel::BLOCK_ROWS;

/// Levels that the vector kernel has tables for.
const MOST_VECTOR_LEVELS: usize = 8;

/// Thresholds as a complete search tree in the order of a heap: the first is the middle one, and the children of `h` are
/// `2h` and `2h + 1` (Eytzinger's layout).
#[derive(Debug)]
pub struct Search {
    heap: Vec<[f32; 16]>,
    levels: usize,
}

impl Search {
    /// The search among `thresholds`, ascending and distinct.
    pub fn new(thresholds: &[f32]) -> Self {
        let levels = (usize::BITS - thresholds.len().leading_zeros()) as usize;
        let mut heap = vec![[f32::INFINITY; 16]; (1usize << levels).div_ceil(16)];
        for h in 1..1usize << levels {
            let level = h.ilog2() as usize;
            let step = 1usize << (levels - level);
            let rank = (h - (1 << level)) * step + step / 2 - 1;
            heap.as_flattened_mut()[h] = thresholds.get(rank).copied().unwrap_or(f32::INFINITY);
        }
        Self { heap, levels }
    }

    /// How many bits a rank has.
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// For each level, highest first, the rows whose bit is 0: those that are at most the threshold they met.
    /// NaN is above all thresholds. `words` words of 64 rows are searched.
    pub fn ranks(&self, values: &[f32; BLOCK_ROWS], words: usize, planes: &mut [Bits]) {
        #[cfg(target_arch = "x86_64")]
        if self.levels <= MOST_VECTOR_LEVELS
            && let Some(simd) = pulp::x86::V4::try_new()
        {
            return vector::ranks(simd, &self.heap, values, words, planes);
        }
        self.ranks_one_by_one(values, words, planes);
    }

    fn ranks_one_by_one(&self, values: &[f32; BLOCK_ROWS], words: usize, planes: &mut [Bits]) {
        let heap = self.heap.as_flattened();
        for word in 0..words.min(WORDS) {
            let mut places = [1u32; 64];
            for plane in &mut *planes {
                let mut bits = 0;
                for (row, place) in places.iter_mut().enumerate() {
                    let is_at_most = values[word * 64 + row] <= heap[*place as usize];
                    bits |= u64::from(is_at_most) << row;
                    *place = 2 * *place + u32::from(!is_at_most);
                }
                plane.0[word] = bits;
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod vector {
    //! The same with AVX-512: a level's thresholds lie in registers and are looked up by permutation.

    use std::arch::x86_64::{__m512, __m512i};

    use pulp::x86::V4;

    use super::{BLOCK_ROWS, Bits, WORDS};

    const LESS_OR_EQUAL: i32 = 18;

    struct Ranks<'a> {
        simd: V4,
        heap: &'a [[f32; 16]],
        values: &'a [f32; BLOCK_ROWS],
        words: usize,
        planes: &'a mut [Bits],
    }

    impl pulp::NullaryFnOnce for Ranks<'_> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { simd, heap, values, words, planes } = self;
            let (chunks, _) = values.as_chunks::<16>();
            for word in 0..words.min(WORDS) {
                let mut bits = [0u64; super::MOST_VECTOR_LEVELS];
                for quarter in 0..4 {
                    let x = pulp::cast(chunks[word * 4 + quarter]);
                    let mut place = simd.avx512f._mm512_set1_epi32(1);
                    for (level, bits) in bits[..planes.len()].iter_mut().enumerate() {
                        let is_at_most = simd.avx512f._mm512_cmp_ps_mask::<LESS_OR_EQUAL>(x, threshold(simd, heap, level, place));
                        *bits |= u64::from(is_at_most) << (16 * quarter);
                        let doubled = simd.avx512f._mm512_add_epi32(place, place);
                        let one = simd.avx512f._mm512_set1_epi32(1);
                        place = simd.avx512f._mm512_mask_add_epi32(doubled, !is_at_most, doubled, one);
                    }
                }
                planes.iter_mut().zip(bits).for_each(|(plane, bits)| plane.0[word] = bits);
            }
        }
    }

    // Closures would not be inlined here, and intrinsics that are not inlined are calls.

    /// The thresholds at `places`, which are all on one level.
    #[inline(always)]
    fn threshold(simd: V4, heap: &[[f32; 16]], level: usize, places: __m512i) -> __m512 {
        match level {
            0..=3 => simd.avx512f._mm512_permutexvar_ps(places, pulp::cast(heap[0])),
            4 => simd.avx512f._mm512_permutexvar_ps(places, pulp::cast(heap[1])),
            5 => of_32(simd, heap, 2, places),
            6 => of_64(simd, heap, 4, places),
            _ => either(simd, places, 64, of_64(simd, heap, 8, places), of_64(simd, heap, 12, places)),
        }
    }

    #[inline(always)]
    fn of_32(simd: V4, heap: &[[f32; 16]], first: usize, places: __m512i) -> __m512 {
        simd.avx512f._mm512_permutex2var_ps(pulp::cast(heap[first]), places, pulp::cast(heap[first + 1]))
    }

    #[inline(always)]
    fn of_64(simd: V4, heap: &[[f32; 16]], first: usize, places: __m512i) -> __m512 {
        either(simd, places, 32, of_32(simd, heap, first, places), of_32(simd, heap, first + 2, places))
    }

    /// The second where `places` have this bit.
    #[inline(always)]
    fn either(simd: V4, places: __m512i, bit: i32, first: __m512, second: __m512) -> __m512 {
        let has_bit = simd.avx512f._mm512_test_epi32_mask(places, simd.avx512f._mm512_set1_epi32(bit));
        simd.avx512f._mm512_mask_blend_ps(has_bit, first, second)
    }

    pub fn ranks(simd: V4, heap: &[[f32; 16]], values: &[f32; BLOCK_ROWS], words: usize, planes: &mut [Bits]) {
        simd.vectorize(Ranks { simd, heap, values, words, planes });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranks_count_the_thresholds_below(mut thresholds in prop::collection::vec(-50i32..50, 1..300), values in prop::collection::vec(-60i32..60, BLOCK_ROWS)) {
            thresholds.sort_unstable();
            thresholds.dedup();
            // Three rows for each: at a threshold, between two, and without a value.
            let thresholds: Vec<f32> = thresholds.into_iter().map(|t| t as f32).collect();
            let value = |row: usize| match row % 3 {
                0 => values[row] as f32,
                1 => values[row] as f32 + 0.5,
                _ => f32::NAN,
            };
            let block: [f32; BLOCK_ROWS] = std::array::from_fn(value);
            let search = Search::new(&thresholds);
            let (mut planes, mut one_by_one) = (vec![Bits::NONE; search.levels()], vec![Bits::NONE; search.levels()]);
            search.ranks(&block, WORDS, &mut planes);
            search.ranks_one_by_one(&block, WORDS, &mut one_by_one);
            prop_assert!(planes == one_by_one);
            for (row, value) in block.into_iter().enumerate() {
                let rank = planes.iter().fold(0, |rank, plane| 2 * rank + (!plane.0[row / 64] >> (row % 64) & 1));
                let below = if value.is_nan() { (1 << search.levels()) - 1 } else { thresholds.iter().filter(|&&t| t < value).count() as u64 };
                prop_assert_eq!(rank, below);
            }
        }
    }
}
