//! Squared distances of rows to all centres. Vectors lie along centres, and each distance is summed on its own in
//! the order of the columns, by fused multiply-adds, which round once on every machine: so the distances do not
//! depend on how wide vectors are. Differences are taken before squares, so nothing cancels far from the origin.

use pulp::{Simd, WithSimd};

use super::points::View;

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

/// Finds the nearest centres of points.
pub struct FindNearest<'a> {
    /// The centres.
    pub table: Table<'a>,
    /// The points.
    pub points: View<'a>,
    /// Those to look at.
    pub places: &'a [u32],
    /// Room for `GROUP · padded` distances.
    pub distances: &'a mut [f32],
    /// Where the answers go, one per place.
    pub nearest: &'a mut [Nearest],
}

impl WithSimd for FindNearest<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { table, points, places, distances, nearest } = self;
        for (places, answers) in places.chunks(GROUP).zip(nearest.chunks_mut(GROUP)) {
            // A short last group measures its last point several times.
            let places: [usize; GROUP] = std::array::from_fn(|i| places[i.min(places.len() - 1)] as usize);
            let z = places.map(|place| &points.z[place * points.dense..][..points.dense]);
            let slots = places.map(|place| &points.slots[place * points.categories..][..points.categories]);
            measure(simd, &table, z, slots, distances);
            for (answer, distances) in answers.iter_mut().zip(distances.chunks_exact(table.padded)) {
                *answer = two_nearest(simd, distances);
            }
        }
    }
}

/// The squared distances of points to one centre each, by other roundings than [`FindNearest`]'s.
pub struct MeasureOwn<'a> {
    /// The centres.
    pub table: Table<'a>,
    /// Their dense columns, centre by centre.
    pub centers: &'a [f32],
    /// The points.
    pub points: View<'a>,
    /// Those to look at, each with its centre.
    pub places: &'a [(u32, u32)],
    /// Where the answers go, one per place.
    pub squares: &'a mut [f32],
}

impl WithSimd for MeasureOwn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { table, centers, points, places, squares } = self;
        for (square, &(place, center)) in squares.iter_mut().zip(places) {
            let (place, center) = (place as usize, center as usize);
            let z = points.z[place * points.dense..][..points.dense].as_chunks::<LANES>();
            let c = centers[center * points.dense..][..points.dense].as_chunks::<LANES>();
            let mut lanes = [0.0f32; LANES];
            for (z, c) in z.0.iter().zip(c.0) {
                for ((lane, z), c) in lanes.iter_mut().zip(z).zip(c) {
                    *lane += (z - c) * (z - c);
                }
            }
            for ((lane, z), c) in lanes.iter_mut().zip(z.1).zip(c.1) {
                *lane += (z - c) * (z - c);
            }
            for &slot in &points.slots[place * points.categories..][..points.categories] {
                lanes[0] += table.values[slot as usize * table.padded + center];
            }
            let halves: [f32; LANES / 2] = std::array::from_fn(|i| lanes[i] + lanes[i + LANES / 2]);
            *square = halves.iter().sum();
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
    while at + 4 <= width {
        measure_tile::<S, 4>(simd, values, width, start, at, z, slots, distances);
        at += 4;
    }
    match width - at {
        3 => measure_tile::<S, 3>(simd, values, width, start, at, z, slots, distances),
        2 => measure_tile::<S, 2>(simd, values, width, start, at, z, slots, distances),
        1 => measure_tile::<S, 1>(simd, values, width, start, at, z, slots, distances),
        _ => {}
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

/// The smallest two of a point's distances. Each lane keeps its own two, with the place of the first as a float, which
/// holds every number of centres exactly.
#[inline(always)]
fn two_nearest<S: Simd>(simd: S, distances: &[f32]) -> Nearest {
    let (vectors, _) = S::as_simd_f32s(distances);
    let (mut place, step) = (S::as_simd_f32s(&PLACES).0[0], simd.splat_f32s(S::F32_LANES as f32));
    let mut best = simd.splat_f32s(f32::INFINITY);
    let (mut second, mut places) = (best, place);
    for &vector in vectors {
        let closer = simd.less_than_f32s(vector, best);
        second = simd.min_f32s(second, simd.max_f32s(best, vector));
        best = simd.min_f32s(best, vector);
        places = simd.select_f32s(closer, place, places);
        place = simd.add_f32s(place, step);
    }
    let square = simd.reduce_min_f32s(best);
    let winners = simd.equal_f32s(best, simd.splat_f32s(square));
    let center = simd.reduce_min_f32s(simd.select_f32s(winners, places, simd.splat_f32s(f32::INFINITY)));
    let others = simd.select_f32s(simd.equal_f32s(places, simd.splat_f32s(center)), second, best);
    Nearest { center: center as u32, square, second: simd.reduce_min_f32s(others) }
}

const PLACES: [f32; LANES] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0];
