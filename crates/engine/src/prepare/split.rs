//! Which rows are trained on, which validate, which are kept for the test: by a hash of the row's number.

use quelea_core::counter::{Draws, Purpose};
use rayon::prelude::*;

use super::part::Part;
use super::weigh::{self, LeftOut};

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
    /// Rows in none of them, for their target has no value.
    pub without_target: u64,
    /// Rows in none of them, for they count for nothing.
    pub left_out: LeftOut,
}

/// What comes of a part: its rows by what they are for, and how many are for nothing.
type Shares = ([Option<Part>; 3], u64, LeftOut);

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

    /// Divides the rows of a table that have a target and weigh something. Where all rows of a part are for training, it stays as it
    /// is; parts without rows go.
    pub fn divide(&self, parts: Vec<Part>) -> Divided {
        let least = weigh::nothing(&parts);
        let mut first = 0;
        let with_first: Vec<(u64, Part)> = parts
            .into_iter()
            .map(|part| {
                let at = first;
                first += part.rows as u64;
                (at, part)
            })
            .collect();
        let divided: Vec<Shares> = with_first.into_par_iter().map(|(first, part)| self.divide_part(first, part, least)).collect();
        let (without_target, left_out) = (0, LeftOut::default());
        let mut all = Divided { train: Vec::new(), validation: Vec::new(), test: Vec::new(), without_target, left_out };
        for ([train, validation, test], without_target, left_out) in divided {
            all.train.extend(train);
            all.validation.extend(validation);
            all.test.extend(test);
            all.without_target += without_target;
            all.left_out.add(left_out);
        }
        all
    }

    fn divide_part(&self, first: u64, part: Part, least: f32) -> Shares {
        let (mut without_target, mut left_out) = (0, LeftOut::default());
        if part.rows > 0 && self.is_whole() && (0..part.rows).all(|row| part.has_target(row) && part.weight_of(row) > least) {
            return ([Some(part), None, None], without_target, left_out);
        }
        let mut rows: [Vec<u32>; 3] = Default::default();
        for row in 0..part.rows {
            match part.weight_of(row) {
                _ if !part.has_target(row) => without_target += 1,
                weight if weight <= least => left_out.count(weight),
                _ => rows[self.of(first + row as u64) as usize].push(row as u32),
            }
        }
        (rows.map(|rows| (!rows.is_empty()).then(|| part.pick(&rows))), without_target, left_out)
    }
}
