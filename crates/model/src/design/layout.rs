//! Where the features of a design matrix have their columns.

use std::ops::Range;

use quelea_core::estimator::{Design, Encoding};

/// Where the columns of a design matrix are.
pub struct Layout {
    /// The columns of numbers and then of their indicators.
    pub numbers: Vec<usize>,
    /// Each category's feature and the rows of its table.
    pub tables: Vec<Table>,
    /// Each sparse feature and the rows of its table.
    pub sparse: Vec<Sparse>,
}

/// The table of a sparse feature: a row for each of its indices, and a last one for any other index.
pub struct Sparse {
    /// The index of the feature.
    pub feature: usize,
    /// The design's column of index 0.
    pub first: usize,
    /// How many columns there are; the table has one row more.
    pub width: usize,
}

/// The table of a category, looked up by code: a row for each value, one for missing values if the category has an indicator, and a
/// last one for unseen values, which also serves missing values if there is no indicator.
pub struct Table {
    /// The index of the feature.
    pub feature: usize,
    /// The design's column of the first value.
    pub first: usize,
    /// The category's columns; the table has one row more.
    pub width: usize,
    /// How many values there are.
    pub values: usize,
}

impl Sparse {
    /// Its columns of the design.
    pub fn columns(&self) -> Range<usize> {
        self.first..self.first + self.width
    }
}

impl Table {
    /// Its columns of the design.
    pub fn columns(&self) -> Range<usize> {
        self.first..self.first + self.width
    }

    /// The row of a missing value.
    pub fn missing(&self) -> usize {
        self.values
    }

    /// The row of an unseen value.
    pub fn unseen(&self) -> usize {
        self.width
    }
}

impl Layout {
    /// The layout of `design`.
    pub fn of(design: &Design) -> Self {
        let (mut numbers, mut indicators, mut tables, mut sparse, mut first) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), 0);
        for (feature, encoding) in design.encodings.iter().enumerate() {
            match *encoding {
                Encoding::Number { indicator, .. } => {
                    numbers.push(first);
                    indicators.extend(indicator.then_some(first + 1));
                }
                Encoding::Category { values, .. } => {
                    tables.push(Table { feature, first, width: encoding.width(), values: values as usize });
                }
                Encoding::Sparse { width } => sparse.push(Sparse { feature, first, width: width as usize }),
            }
            first += encoding.width();
        }
        numbers.append(&mut indicators);
        Self { numbers, tables, sparse }
    }
}
