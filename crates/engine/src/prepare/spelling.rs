//! Spellings of numbers and truth values that are categories: `1`, `01` and `1.0` are one, and so are `True` and `true`.
//! A model looks texts up, so it holds the other spellings as aliases: those of its training rows, and those that other programs
//! write. pandas writes `1.0` where a column of whole numbers lacks a value; decimals of two places are written as `2.50`.

/// The spelling of a number or a truth value that stands for all of them; nothing for any other text.
pub(crate) fn canonical(text: &str) -> Option<String> {
    if let Some(truth) = truth(text) {
        return Some(truth.to_string());
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(match fraction {
        "" if whole == "0" => "0".into(),
        "" => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction}"),
    })
}

/// Other spellings of a canonical value that a table is likely to have.
pub(crate) fn likely(value: &str) -> Vec<String> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    match value {
        "true" => vec!["True".into(), "TRUE".into()],
        "false" => vec!["False".into(), "FALSE".into()],
        _ if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => vec![format!("{value}.0")],
        _ if canonical(value).as_deref() == Some(value) => vec![format!("{value}0")],
        _ => Vec::new(),
    }
}

/// The truth value that a text is, in letters of any case.
pub(crate) fn truth(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_value_are_one() {
        for (value, spellings) in [
            ("1", vec!["1", "01", "1.0", "1.", "+1", "001.000"]),
            ("-7", vec!["-7", "-07.0"]),
            ("0", vec!["0", "-0", "0.0", ".0", "000", "-0.00"]),
            ("0.5", vec![".5", "0.50", "+00.5"]),
            ("9007199254740993", vec!["9007199254740993", "09007199254740993.0"]),
            ("true", vec!["true", "True", "TRUE"]),
            ("false", vec!["fAlse"]),
        ] {
            for spelling in spellings {
                assert_eq!(canonical(spelling).as_deref(), Some(value), "{spelling}");
            }
            assert!(likely(value).iter().all(|likely| canonical(likely).as_deref() == Some(value)), "{value}");
        }
        for other in ["", "-", ".", "1e3", "1,000", " 1", "1 ", "nan", "x", "--1", "1.2.3", "¹"] {
            assert_eq!(canonical(other), None, "{other}");
        }
    }

    #[test]
    fn numbers_are_also_written_with_more_digits() {
        assert_eq!(likely("-12"), ["-12.0"]);
        assert_eq!(likely("12.5"), ["12.50"]);
        assert!(["-", "red", "1e5", "", "nan"].iter().all(|other| likely(other).is_empty()));
    }
}
