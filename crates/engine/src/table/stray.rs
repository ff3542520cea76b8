//! What the user should know of a CSV file's columns: texts among numbers, for with one of them the column is text, and its
//! numbers are categories; and leading zeros, which numbers do not have.

use std::collections::BTreeSet;

use quelea_core::visible::shortened;

/// Texts that others write for a missing value.
const MARKERS: [&str; 16] =
    ["na", "n/a", "#n/a", "nan", "-nan", "null", "nil", "none", "?", "-", "--", ".", "missing", "unknown", "undefined", "\\n"];
/// Markers that a message shows.
const MOST_MARKERS: usize = 5;
/// A column is worth a word when at least one value in this many is a number.
const ONE_IN: u64 = 2;

/// A column of a CSV file that holds numbers and other text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stray {
    /// The column.
    pub column: String,
    /// Values that are numbers.
    pub numbers: u64,
    /// Values that were looked at.
    pub values: u64,
    /// The row of the first text that is not a number, from 1.
    row: u64,
    /// That text.
    text: String,
    /// Texts that stand for a missing value elsewhere.
    markers: BTreeSet<String>,
}

impl Stray {
    /// What is in the way, and what to do about it.
    pub fn described(&self) -> String {
        let markers: Vec<&String> = self.markers.iter().collect();
        let advice = match () {
            () if self.markers.contains(&self.text) => format!("if that stands for a missing value, set data.null_values = {markers:?}"),
            () if !markers.is_empty() => format!("mend it, and set data.null_values = {markers:?} for values that are missing"),
            () if is_nearly_number(&self.text) => {
                "write numbers without blanks, separators of thousands or a plus, whole ones with 64 bits at the most".into()
            }
            () => "mend it, or name it in data.null_values".into(),
        };
        format!("row {} holds {:?}; {advice}", self.row, shortened(&self.text))
    }
}

/// A column of a CSV file whose numbers have leading zeros.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Padded {
    /// The column.
    pub column: String,
    /// The row of the first number with a leading zero, from 1.
    pub row: u64,
    /// That number, as it is written.
    pub text: String,
}

/// What the user should know of the columns of CSV files.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Notes {
    /// Columns that hold both numbers and other text.
    pub stray: Vec<Stray>,
    /// Columns of numbers with leading zeros.
    pub padded: Vec<Padded>,
}

impl Notes {
    /// What the tallies of a file's columns say.
    pub(super) fn new<'a>(tallies: impl Iterator<Item = (&'a str, Tally)>) -> Self {
        let mut notes = Self::default();
        for (column, tally) in tallies {
            notes.padded.extend(tally.padded(column));
            notes.stray.extend(tally.stray(column));
        }
        notes
    }

    /// Adds those of another file.
    pub fn extend(&mut self, other: Self) {
        self.stray.extend(other.stray);
        self.padded.extend(other.padded);
    }
}

/// What is seen of a column.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    numbers: u64,
    nearly: u64,
    values: u64,
    first: Option<(u64, String)>,
    padded: Option<(u64, String)>,
    markers: BTreeSet<String>,
}

impl Tally {
    /// Takes in a value that is not missing.
    pub fn see(&mut self, row: u64, text: &str) {
        self.values += 1;
        if is_number(text) {
            self.numbers += 1;
            if self.padded.is_none() && has_leading_zero(text) {
                self.padded = Some((row, text.to_string()));
            }
            return;
        }
        self.nearly += u64::from(is_nearly_number(text));
        if self.first.is_none() {
            self.first = Some((row, text.to_string()));
        }
        if self.markers.len() < MOST_MARKERS && MARKERS.contains(&text.trim().to_ascii_lowercase().as_str()) {
            self.markers.insert(text.to_string());
        }
    }

    /// What to tell of the column, if it is one of numbers and some have leading zeros.
    fn padded(&self, column: &str) -> Option<Padded> {
        let (row, text) = self.padded.clone().filter(|_| self.numbers == self.values)?;
        Some(Padded { column: column.into(), row: row + 1, text })
    }

    /// What to tell of the column, if most of its values could be numbers and some are not.
    fn stray(self, column: &str) -> Option<Stray> {
        let Self { numbers, nearly, values, first, markers, .. } = self;
        let (row, text) = first.filter(|_| (numbers + nearly) * ONE_IN >= values)?;
        Some(Stray { column: column.into(), numbers, values, row: row + 1, text, markers })
    }
}

/// Whether a column of such texts is one of numbers.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<i64>().is_ok(),
        false => digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') && text.parse::<f64>().is_ok(),
    }
}

/// Whether a number is written with a zero that it does not need, as codes are.
fn has_leading_zero(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number).as_bytes();
    digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit()
}

/// Whether a person would read the text as a number.
fn is_nearly_number(text: &str) -> bool {
    let plain = text.trim().trim_start_matches('+').replace(',', "");
    plain.starts_with(|first: char| first.is_ascii_digit() || "-.".contains(first)) && plain.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &[&str]) -> Option<String> {
        let mut tally = Tally::default();
        values.iter().enumerate().for_each(|(row, value)| tally.see(row as u64, value));
        tally.stray("x").map(|stray| stray.described())
    }

    #[test]
    fn markers_and_near_numbers_are_told_apart() {
        let marked = told(&["1", "2.5", "NA", "-3e4", "n/a"]).unwrap();
        assert!(marked.contains("row 3 holds \"NA\"") && marked.contains("data.null_values = [\"NA\", \"n/a\"]"), "{marked}");
        assert!(told(&["1", "12,000"]).unwrap().contains("separators of thousands"));
        assert!(told(&[" 1", " 2"]).unwrap().contains("blanks"));
        assert!(told(&["1", "99999999999999999999"]).unwrap().contains("64 bits"));
        assert!(told(&["1", "abc"]).unwrap().contains("mend it"));
    }

    #[test]
    fn leading_zeros_of_numbers_are_noted() {
        let padded = |values: &[&str]| {
            let mut tally = Tally::default();
            values.iter().enumerate().for_each(|(row, value)| tally.see(row as u64, value));
            Notes::new([("x", tally)].into_iter()).padded.pop().map(|padded| (padded.row, padded.text))
        };
        assert_eq!(padded(&["10001", "00501", "00502"]), Some((2, "00501".into())));
        assert_eq!(padded(&["1", "-07"]), Some((2, "-07".into())));
        assert_eq!(padded(&["0", "0.5", "-0.5", "0e3", "10"]), None);
        assert_eq!(padded(&["007", "abc"]), None);
    }

    #[test]
    fn text_and_plain_numbers_are_left_alone() {
        assert_eq!(told(&["1", "-.5", "3.", "4e-3", "1E+9"]), None);
        assert_eq!(told(&["1", "red", "blue"]), None);
        assert_eq!(told(&["infinity", "nan"]), None);
        assert_eq!(told(&[]), None);
    }
}
