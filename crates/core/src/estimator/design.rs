//! How features become the columns of a design matrix.

/// How features become the columns of a design matrix, which linear models, factorisation machines and centroids are defined on.
///
/// | feature | columns |
/// |---|---|
/// | number | `(x − center) · scale`, with `fill` in place of a missing `x`; then, with `indicator`, one that is 1 where `x` is missing |
/// | category | one per value, 1 where the row has it; then, with `indicator`, one that is 1 where it is missing |
/// | sparse | one per index |
///
/// An unseen category is 0 in all of its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// One entry per feature of the schema.
    pub encodings: Vec<Encoding>,
}

/// How one feature enters a design matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Encoding {
    /// A number.
    Number {
        /// Replaces a missing value.
        fill: f32,
        /// Subtracted first.
        center: f32,
        /// Then multiplied with; it is beyond 32 bits where the numbers' deviation is subnormal.
        scale: f64,
        /// Whether a second column is 1 where the value is missing.
        indicator: bool,
    },
    /// A category.
    Category {
        /// How many values it has.
        values: u32,
        /// Whether a last column is 1 where the value is missing.
        indicator: bool,
    },
    /// Numbers by index.
    Sparse {
        /// How many columns there are.
        width: u32,
    },
}

impl Encoding {
    /// How many columns it makes.
    pub fn width(&self) -> usize {
        match *self {
            Self::Number { indicator, .. } => 1 + usize::from(indicator),
            Self::Category { values, indicator } => values as usize + usize::from(indicator),
            Self::Sparse { width } => width as usize,
        }
    }
}

impl Design {
    /// How many columns the matrix has.
    pub fn width(&self) -> usize {
        self.encodings.iter().map(Encoding::width).sum()
    }

    /// For each feature the largest of `size(column)` over its columns, 0 if it has none.
    pub(super) fn largest_by_feature(&self, size: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut first = 0;
        let of_feature = |encoding: &Encoding| {
            let columns = first..first + encoding.width();
            first = columns.end;
            columns.map(&size).fold(0.0, f64::max)
        };
        self.encodings.iter().map(of_feature).collect()
    }
}
