//! Which rows are trained on, which validate, which are kept for the test: by a hash of the row's number.

use quelea_core::counter::{Draws, Purpose};
use rayon::prelude::*;

use super::part::Part;

/// What a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Train,
    Validation,
    Test,
}

/// The rule by which rows are told apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split {
    draws: Draws,
    validation: f64,
    test: f64,
}

/// The rows of a table by what they are for, each in the table's order.
pub(crate) struct Divided {
    /// Rows to train on.
    pub train: Vec<Part>,
    /// Rows to validate on.
    pub validation: Vec<Part>,
    /// Rows for the final metrics.
    pub test: Vec<Part>,
    /// Rows in neither, for their target has no value.
    pub without_target: u64,
}

impl Split {
    /// The fractions of rows that validate and test; what is left is trained on.
    pub fn new(seed: u64, validation: f64, test: f64) -> Self {
        Self { draws: Draws::new(seed, Purpose::Split, 0), validation, test }
    }

    /// What row `number` of the table is for.
    fn of(&self, number: u64) -> Use {
        let draw = self.draws.uniform(number, 0);
        if draw < self.test {
            Use::Test
        } else if draw < self.test + self.validation {
            Use::Validation
        } else {
            Use::Train
        }
    }

    fn is_whole(&self) -> bool {
        self.validation == 0.0 && self.test == 0.0
    }

    /// Divides the rows of a table. Where all rows of a part are for training, it stays as it is; parts without rows go.
    pub fn divide(&self, parts: Vec<Part>) -> Divided {
        let mut first = 0;
        let with_first: Vec<(u64, Part)> = parts
            .into_iter()
            .map(|part| {
                let at = first;
                first += part.rows as u64;
                (at, part)
            })
            .collect();
        let divided: Vec<([Option<Part>; 3], u64)> =
            with_first.into_par_iter().map(|(first, part)| self.divide_part(first, part)).collect();
        let mut all = Divided { train: Vec::new(), validation: Vec::new(), test: Vec::new(), without_target: 0 };
        for ([train, validation, test], without_target) in divided {
            all.train.extend(train);
            all.validation.extend(validation);
            all.test.extend(test);
            all.without_target += without_target;
        }
        all
    }

    fn divide_part(&self, first: u64, part: Part) -> ([Option<Part>; 3], u64) {
        if part.rows > 0 && self.is_whole() && (0..part.rows).all(|row| part.has_target(row)) {
            return ([Some(part), None, None], 0);
        }
        let mut rows: [Vec<u32>; 3] = Default::default();
        let mut without_target = 0;
        for row in 0..part.rows {
            if part.has_target(row) {
                rows[self.of(first + row as u64) as usize].push(row as u32);
            } else {
                without_target += 1;
            }
        }
        (rows.map(|rows| (!rows.is_empty()).then(|| part.pick(&rows))), without_target)
    }
}
