//! Time zones of the texts that a CSV file has for times. With one a text is a moment, without one it is a time of some place; times
//! of both sorts cannot be told by the same hours.

use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use quelea_core::visible::shortened;

use super::values::BadValue;
use crate::table::value_type;

/// The length of a day, such as 2013-01-31; a time of day comes behind it and a letter or blank.
const DAY_LENGTH: usize = 10;

/// Whether the times of a column of this type have a zone; nothing where their texts tell.
pub(crate) fn of_type(data_type: &DataType) -> Option<bool> {
    match value_type(data_type) {
        DataType::Timestamp(_, zone) => Some(zone.is_some()),
        DataType::Date32 | DataType::Date64 => Some(false),
        _ => None,
    }
}

/// Whether a text that is a time has a zone: its time of day has more than digits, colons and a point.
fn has_zone(text: &str) -> bool {
    let of_day = text.as_bytes().get(DAY_LENGTH + 1..).unwrap_or_default();
    of_day.iter().any(|byte| !matches!(byte, b'0'..=b'9' | b':' | b'.'))
}

/// What is known of the zones of a column.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Zones {
    /// Whether its times have one; nothing before there is a time.
    pub zoned: Option<bool>,
    /// The row of the first time.
    pub row: usize,
}

impl Zones {
    /// Looks at the next texts of a column, which begin at row `first` and are times or missing. The error names the first that is unlike
    /// the times before it.
    pub fn see(&mut self, texts: &ArrayRef, first: usize, is_missing: impl Fn(&str) -> bool) -> Result<(), BadValue> {
        let texts = cast(texts, &DataType::Utf8View).map_err(|e| BadValue { row: 0, problem: e.to_string() })?;
        for (row, text) in texts.as_string_view().iter().enumerate() {
            let Some(text) = text.filter(|text| !is_missing(text)) else { continue };
            let zoned = has_zone(text);
            if self.zoned.is_none() {
                *self = Self { zoned: Some(zoned), row: first + row };
            }
            if self.zoned != Some(zoned) {
                return Err(BadValue { row, problem: unlike(&format!("{:?}", shortened(text)), zoned) });
            }
        }
        Ok(())
    }
}

/// What is wrong with a time that has a zone, or none, unlike others.
pub(crate) fn unlike(time: &str, zoned: bool) -> String {
    let has = if zoned { "has a time zone" } else { "has no time zone" };
    format!("{time} {has}, unlike other times of this column; write all of them with a zone, or all without")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringViewArray;

    use super::*;

    #[test]
    fn zones_are_told_from_texts() {
        for plain in ["2013-01-31", "2013-01-31T17:20:00", "2013-01-31 17:20", "2013-01-31 17:20:00.123456", ""] {
            assert!(!has_zone(plain), "{plain}");
        }
        for zoned in ["2013-01-31T17:20:00Z", "2013-01-31 17:20:00+09:00", "2013-01-31T17:20:00.5-0330", "2013-01-31 17:20:00 Asia/Tokyo"] {
            assert!(has_zone(zoned), "{zoned}");
        }
    }

    #[test]
    fn times_of_both_sorts_are_refused() {
        let texts = |texts: &[&str]| Arc::new(StringViewArray::from_iter_values(texts)) as ArrayRef;
        let mut zones = Zones::default();
        zones.see(&texts(&["", "?"]), 0, |text| text.len() < 2).unwrap();
        assert_eq!(zones.zoned, None);
        zones.see(&texts(&["?", "2013-01-31T17:20:00"]), 2, |text| text.len() < 2).unwrap();
        assert_eq!(zones, Zones { zoned: Some(false), row: 3 });
        let bad = zones.see(&texts(&["2013-01-31", "2013-01-31T17:20:00Z"]), 4, str::is_empty).unwrap_err();
        assert!(bad.row == 1 && bad.problem.contains("has a time zone"), "{bad:?}");
    }
}
