//! Finds the nearest centre of a row: all centres at once, column by column of the row.

use crate::steps::batch::{Batch, Rows};

/// Centres laid out by columns.
pub struct Centers {
    clusters: usize,
    /// For each column the numbers of all centres.
    columns: Vec<f64>,
    /// The squared length of each.
    squares: Vec<f64>,
}

/// A row: its columns that are not 0, by their number and value.
#[derive(Default)]
pub struct Point {
    /// The columns.
    pub entries: Vec<(u32, f64)>,
    distances: Vec<f64>,
}

impl Centers {
    /// Centres of `width` columns, each followed by one number that does not count.
    pub fn new(rows: &[f32], width: usize) -> Self {
        let clusters = rows.len() / (width + 1);
        let mut columns = vec![0.0; clusters * width];
        let mut squares = vec![0.0; clusters];
        for (cluster, (row, square)) in rows.chunks_exact(width + 1).zip(&mut squares).enumerate() {
            for (column, &x) in row[..width].iter().enumerate() {
                columns[column * clusters + cluster] = f64::from(x);
                *square += f64::from(x) * f64::from(x);
            }
        }
        Self { clusters, columns, squares }
    }

    /// The nearest centre, the first of equals, and the squared distance to it.
    pub fn nearest(&self, point: &mut Point) -> (usize, f64) {
        pulp::Arch::new().dispatch(Measure { centers: self, point })
    }
}

struct Measure<'a> {
    centers: &'a Centers,
    point: &'a mut Point,
}

impl pulp::WithSimd for Measure<'_> {
    type Output = (usize, f64);

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> (usize, f64) {
        let Self { centers, point: Point { entries, distances } } = self;
        // ‖c‖² − 2·x·c is least where the distance is.
        distances.clear();
        distances.extend_from_slice(&centers.squares);
        let mut square = 0.0;
        for &(column, x) in entries.iter() {
            square += x * x;
            let of_column = &centers.columns[column as usize * centers.clusters..][..centers.clusters];
            distances.iter_mut().zip(of_column).for_each(|(distance, c)| *distance -= 2.0 * x * c);
        }
        let (mut nearest, mut least) = (0, f64::INFINITY);
        for (cluster, &distance) in distances.iter().enumerate() {
            if distance < least {
                (nearest, least) = (cluster, distance);
            }
        }
        (nearest, (least + square).max(0.0))
    }
}

impl Point {
    /// Takes a row of a batch whose first table's keys are the columns.
    pub fn load(&mut self, batch: &Batch, columns: &[u64], rows: &Rows, row: usize, standards: &[f32]) {
        self.entries.clear();
        let numbers = &rows.numbers[row * batch.numbers.len()..][..batch.numbers.len()];
        for ((&place, &x), standard) in batch.numbers.iter().zip(numbers).zip(standards.chunks_exact(2)) {
            if !x.is_nan() {
                let z = (f64::from(x) - f64::from(standard[0])) * f64::from(standard[1]);
                self.entries.push((columns[place as usize] as u32, z));
            }
        }
        self.entries.extend(rows.places[rows.span(row)].iter().map(|&place| (columns[place as usize] as u32, 1.0)));
    }
}
