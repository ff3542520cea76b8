//! Squared distances of rows to all centres. Vectors lie along centres, and each distance is summed on its own in
//! the order of the columns, by fused multiply-adds, which round once on every machine: so the distances do not
//! depend on how wide vectors are. Differences are taken before squares, so nothing cancels far from the origin.

use pulp::bytemuck::cast_slice;
use pulp::{Simd, WithSimd};

/// Centres are padded to a multiple of this, which every vector's width divides.
pub const LANES: usize = 16;
/// Rows that are measured together.
pub const GROUP: usize = 4;

/// The two nearest centres of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest {
    /// The nearest; the first of equals.
    pub center: u32,
    /// The squared distance to it.
    pub square: f32,
    /// The squared distance to the nearest of the others; infinite without others.
    pub second: f32,
}

/// Centres as a table: a row of `padded` numbers per dense column, one per column of a category, and one per
/// category for rows that are in none of its columns.
#[derive(Debug, Clone)]
pub struct Table<'a> {
    /// The rows of the table.
    pub values: &'a [f32],
    /// How many centres there are, padded.
    pub padded: usize,
    /// What every distance starts from: 0, and infinity where there is no centre.
    pub start: &'a [f32],
}

/// Finds the nearest centres of rows.
pub struct FindNearest<'a> {
    /// The centres.
    pub table: Table<'a>,
    /// The dense columns of the rows, row by row.
    pub z: &'a [f32],
    /// How many dense columns there are.
    pub dense: usize,
    /// Per row, a row of the table for each category.
    pub slots: &'a [u32],
    /// How many categories there are.
    pub categories: usize,
    /// Room for `GROUP · padded` distances.
    pub distances: &'a mut [f32],
    /// Where the answers go, one per row.
    pub nearest: &'a mut [Nearest],
}

impl WithSimd for FindNearest<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { table, z, dense, slots, categories, distances, nearest } = self;
        for (group, answers) in nearest.chunks_mut(GROUP).enumerate() {
            let first = group * GROUP;
            // A short last group measures its last row several times.
            let rows: [usize; GROUP] = std::array::from_fn(|i| first + i.min(answers.len() - 1));
            let z = rows.map(|row| &z[row * dense..][..dense]);
            let slots = rows.map(|row| &slots[row * categories..][..categories]);
            measure(simd, &table, z, slots, distances);
            for (answer, distances) in answers.iter_mut().zip(distances.chunks_exact(table.padded)) {
                *answer = two_nearest(simd, distances);
            }
        }
    }
}

/// The distances of a group of rows to all centres.
#[inline(always)]
fn measure<S: Simd>(simd: S, table: &Table, z: [&[f32]; GROUP], slots: [&[u32]; GROUP], distances: &mut [f32]) {
    let width = table.padded / S::F32_LANES;
    let (values, _) = S::as_simd_f32s(table.values);
    let (start, _) = S::as_simd_f32s(table.start);
    let (distances, _) = S::as_mut_simd_f32s(distances);
    let mut at = 0;
    while at + 2 <= width {
        measure_tile::<S, 2>(simd, values, width, start, at, z, slots, distances);
        at += 2;
    }
    if at < width {
        measure_tile::<S, 1>(simd, values, width, start, at, z, slots, distances);
    }
}

#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the inner loop's operands, all of them slices")]
fn measure_tile<S: Simd, const V: usize>(
    simd: S,
    values: &[S::f32s],
    width: usize,
    start: &[S::f32s],
    at: usize,
    z: [&[f32]; GROUP],
    slots: [&[u32]; GROUP],
    distances: &mut [S::f32s],
) {
    let mut sums = [[simd.splat_f32s(0.0); V]; GROUP];
    for sums in &mut sums {
        sums.copy_from_slice(&start[at..at + V]);
    }
    let columns = values.chunks_exact(width).zip(z[0].iter().zip(z[1]).zip(z[2].iter().zip(z[3])));
    for (centers, ((&z0, &z1), (&z2, &z3))) in columns {
        let centers = &centers[at..at + V];
        for (sums, z) in sums.iter_mut().zip([z0, z1, z2, z3]) {
            let z = simd.splat_f32s(z);
            for (sum, &center) in sums.iter_mut().zip(centers) {
                let difference = simd.sub_f32s(z, center);
                *sum = simd.mul_add_f32s(difference, difference, *sum);
            }
        }
    }
    for (sums, slots) in sums.iter_mut().zip(slots) {
        for &slot in slots {
            for (sum, &part) in sums.iter_mut().zip(&values[slot as usize * width + at..][..V]) {
                *sum = simd.add_f32s(*sum, part);
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        distances[row * width + at..][..V].copy_from_slice(sums);
    }
}

/// The smallest two of a row's distances.
#[inline(always)]
fn two_nearest<S: Simd>(simd: S, distances: &[f32]) -> Nearest {
    let (vectors, _) = S::as_simd_f32s(distances);
    let mut best = simd.splat_f32s(f32::INFINITY);
    let mut second = best;
    let mut places = simd.splat_u32s(0);
    for (place, &vector) in vectors.iter().enumerate() {
        let closer = simd.less_than_f32s(vector, best);
        second = simd.min_f32s(second, simd.max_f32s(best, vector));
        best = simd.min_f32s(best, vector);
        places = simd.select_u32s(closer, simd.splat_u32s(place as u32), places);
    }
    let (best, second, places) = ([best], [second], [places]);
    let (best, second) = (cast_slice::<S::f32s, f32>(&best), cast_slice::<S::f32s, f32>(&second));
    let lanes = best.iter().zip(second).zip(cast_slice::<S::u32s, u32>(&places));
    let mut answer = Nearest { center: u32::MAX, square: f32::INFINITY, second: f32::INFINITY };
    for (lane, ((&square, &second), &place)) in lanes.enumerate() {
        let center = place * S::F32_LANES as u32 + lane as u32;
        let closer = square < answer.square || (square == answer.square && center < answer.center);
        let other = if closer { answer.square } else { square };
        answer.second = answer.second.min(second).min(other);
        if closer {
            (answer.center, answer.square) = (center, square);
        }
    }
    answer
}
