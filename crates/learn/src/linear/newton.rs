//! Newton directions by a Cholesky factor of the Hessian.

use crate::sums::lane_dot;

/// A Cholesky factor `L` of a symmetric matrix: its rows, one after the other, up to the diagonal.
#[derive(Debug, Clone)]
pub struct Cholesky {
    rows: Vec<Vec<f64>>,
}

impl Cholesky {
    /// Factors the matrix whose lower triangle this is, row by row. If it is singular to working precision, as with
    /// duplicate columns and next to no penalty, its diagonal is made larger until it is not; what comes out is
    /// still a direction of descent. `None` if the matrix is not finite.
    pub fn new(lower: &[f64]) -> Option<Self> {
        let size = ((8 * lower.len() + 1).isqrt() - 1) / 2;
        let largest = (0..size).map(|i| lower[i * (i + 1) / 2 + i]).fold(0.0, f64::max);
        if !lower.iter().all(|x| x.is_finite()) {
            return None;
        }
        let largest = largest.max(f64::MIN_POSITIVE);
        [0.0, 1e-14, 1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0].iter().find_map(|damping| factor(lower, size, damping * largest))
    }

    /// The solution `x` of `L·Lᵀ·x = right`.
    pub fn solve(&self, right: &[f64]) -> Vec<f64> {
        let mut x = right.to_vec();
        for (i, row) in self.rows.iter().enumerate() {
            x[i] = (x[i] - lane_dot(&row[..i], &x[..i])) / row[i];
        }
        for (i, row) in self.rows.iter().enumerate().rev() {
            x[i] /= row[i];
            let value = x[i];
            x[..i].iter_mut().zip(row).for_each(|(x, l)| *x -= value * l);
        }
        x
    }
}

fn factor(lower: &[f64], size: usize, damping: f64) -> Option<Cholesky> {
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(size);
    for i in 0..size {
        let mut row = lower[i * (i + 1) / 2..][..=i].to_vec();
        let diagonal = row[i] + damping;
        for (j, other) in rows.iter().enumerate() {
            row[j] = (row[j] - lane_dot(&row[..j], &other[..j])) / other[j];
        }
        let pivot = diagonal - lane_dot(&row[..i], &row[..i]);
        if pivot.is_nan() || pivot <= 1e-14 * diagonal {
            return None;
        }
        row[i] = pivot.sqrt();
        rows.push(row);
    }
    Some(Cholesky { rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_it_factored() {
        let lower = [4.0, 2.0, 5.0, 1.0, 3.0, 6.0];
        let x = Cholesky::new(&lower).unwrap().solve(&[1.0, -2.0, 3.0]);
        let product = [4.0 * x[0] + 2.0 * x[1] + x[2], 2.0 * x[0] + 5.0 * x[1] + 3.0 * x[2], x[0] + 3.0 * x[1] + 6.0 * x[2]];
        for (a, b) in product.iter().zip([1.0, -2.0, 3.0]) {
            assert!((a - b).abs() < 1e-14, "{product:?}");
        }
    }

    #[test]
    fn a_singular_matrix_gives_a_finite_direction() {
        let x = Cholesky::new(&[1.0, 1.0, 1.0]).unwrap().solve(&[1.0, 1.0]);
        assert!(x.iter().all(|x| x.is_finite()) && x[0] + x[1] > 0.0);
        assert!(Cholesky::new(&[f64::NAN]).is_none());
    }
}
