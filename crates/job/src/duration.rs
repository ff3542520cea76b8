//! Durations in job files: a number and its unit in one text, such as "10s", "500ms" or "2m".

use std::time::Duration;

use schemars::{Schema, json_schema};
use serde::{Deserialize, Deserializer, Serializer, de::Error};
use serde_json::Value;

/// What a duration looks like, as a pattern of JSON Schema. It also tells the schema of a duration from those of other texts.
const PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$";

/// What a duration is, for messages.
pub(crate) const DESCRIPTION: &str = "a duration with its unit (ms, s, m or h), such as \"10s\"";

/// Units and their seconds. A unit that ends as another does comes before it.
const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];

/// The duration that `text` stands for, if it is one.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let (number, seconds) = UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let is_number = number.split_once('.').map_or_else(|| is_digits(number), |(whole, part)| is_digits(whole) && is_digits(part));
    let seconds = is_number.then(|| number.parse::<f64>().ok())?? * seconds;
    Duration::try_from_secs_f64(seconds).ok()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The duration as it is written in a job file.
pub(crate) fn shown(duration: Duration) -> String {
    match duration.subsec_nanos() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_secs_f64() * 1e3),
    }
}

/// What was probably meant by a number without a unit: seconds.
pub(crate) fn of_seconds(value: &Value) -> Option<String> {
    let number = value.as_str().map_or_else(|| value.to_string(), str::to_string);
    let text = format!("{}s", number.strip_suffix(".0").unwrap_or(&number));
    parse(&text).map(|_| text)
}

/// Whether a schema is that of durations.
pub(crate) fn is_duration(schema: &Value) -> bool {
    schema["pattern"] == PATTERN
}

/// The schema of durations.
pub(crate) fn schema(_: &mut schemars::SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": PATTERN})
}

/// For serde's attribute `with`.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&shown(*duration))
}

/// For serde's attribute `with`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| D::Error::custom(format!("{text:?} is not possible; this is {DESCRIPTION}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_its_unit() {
        for (text, milliseconds) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("0s", 0),
            ("0.25s", 250),
            ("1.5m", 90_000),
            ("08s", 8_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in
            ["", "10", "s", ".5s", "5.s", "-1s", "+1s", "1e3s", "infs", "nans", "1 s", " 1s", "1s ", "1d", "1S", "1m30s", "١s", "1_0s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&format!("{}h", "9".repeat(400))), None);
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for (nanoseconds, text) in
            [(0, "0s"), (200_000_000, "200ms"), (60_000_000_000, "60s"), (1_500_000_000, "1500ms"), (12_345, "0.012345ms")]
        {
            let duration = Duration::from_nanos(nanoseconds);
            assert_eq!((shown(duration).as_str(), parse(&shown(duration))), (text, Some(duration)));
        }
    }

    #[test]
    fn a_number_without_a_unit_is_seconds() {
        for (value, meant) in [(60.into(), Some("60s")), (0.2.into(), Some("0.2s")), (3.0.into(), Some("3s")), ("5".into(), Some("5s"))] {
            assert_eq!(of_seconds(&value).as_deref(), meant, "{value}");
        }
        for value in [Value::from(-1), Value::from("soon"), Value::from(true), Value::Null] {
            assert_eq!(of_seconds(&value), None, "{value}");
        }
    }
}
