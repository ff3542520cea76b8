//! Fits categories on the training rows: their values, each with a code, and other spellings of the values.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::Array;
use quelea_core::schema::{Feature, FeatureKind, Schema};
use quelea_core::tile::{MISSING, UNSEEN};

use super::nulls::Nulls;
use super::part::{Part, Values};
use super::spelling;

/// The category of an input. Values that the model to go on from knows keep their codes. With `spelled`, the values are numbers or truth
/// values, and spellings of one are one.
pub(crate) fn fit(input: usize, before: Option<(&Schema, &str)>, spelled: Option<&Nulls>, train: &[Part]) -> FeatureKind {
    let known = before.map(|(schema, name)| known_texts(schema, name)).unwrap_or_default();
    let found = found_texts(input, train);
    match spelled {
        Some(nulls) => spelled_category(known, found, nulls),
        None => category(known.values, found),
    }
}

/// The texts of a category and their rows.
#[derive(Default)]
struct Texts<'a> {
    rows: BTreeMap<&'a str, u64>,
    missing: u64,
}

fn found_texts(input: usize, train: &[Part]) -> Texts<'_> {
    let mut found = Texts::default();
    for part in train {
        let Values::Text(codes, texts) = &part.inputs[input] else { continue };
        let mut counts = vec![0u64; texts.len()];
        for &code in codes {
            match code {
                MISSING => found.missing += 1,
                code => counts[code as usize] += 1,
            }
        }
        for (text, count) in texts.iter().flatten().zip(counts).filter(|&(_, count)| count > 0) {
            *found.rows.entry(text).or_default() += count;
        }
    }
    found
}

/// What a model knows of a category.
#[derive(Default)]
struct Known {
    values: Vec<String>,
    aliases: BTreeMap<String, u32>,
}

fn known_texts(schema: &Schema, name: &str) -> Known {
    let of_feature = |feature: &Feature| match &feature.kind {
        FeatureKind::Category { values, aliases, .. } => Some(Known { values: values.clone(), aliases: aliases.iter().cloned().collect() }),
        FeatureKind::Number { .. } | FeatureKind::Sparse { .. } => None,
    };
    schema.features.iter().filter(|feature| feature.name == name).find_map(of_feature).unwrap_or_default()
}

/// A category of texts; known values keep their codes.
fn category(known: Vec<String>, mut found: Texts) -> FeatureKind {
    let mut counts: Vec<u64> = known.iter().map(|value| found.rows.remove(value.as_str()).unwrap_or(0)).collect();
    let mut values = known;
    for (value, count) in found.rows {
        values.push(value.to_string());
        counts.push(count);
    }
    FeatureKind::Category { values, counts, missing: found.missing, aliases: Vec::new() }
}

/// A category of numbers or truth values: spellings of one value are one. What stands for a missing value does so in every spelling.
fn spelled_category(known: Known, found: Texts, nulls: &Nulls) -> FeatureKind {
    let canonical = |text: &str| spelling::canonical(text).unwrap_or_else(|| text.to_string());
    let null_spellings: BTreeSet<String> = nulls.texts.iter().filter_map(|text| spelling::canonical(text)).collect();
    let Known { mut values, mut aliases } = known;
    let mut codes: BTreeMap<String, u32> = values.iter().cloned().zip(0..).collect();
    let is_new = |text: &&str| !codes.contains_key(*text) && !aliases.contains_key(*text);
    let new = found.rows.keys().copied().filter(is_new).map(canonical).filter(|value| !null_spellings.contains(value));
    let new: BTreeSet<String> = new.filter(|value| !codes.contains_key(value)).collect();
    for value in new {
        codes.insert(value.clone(), values.len() as u32);
        values.push(value);
    }
    let is_free = |text: &String| !codes.contains_key(text) && !nulls.texts.contains(text);
    let code_of = |value: &String| codes.get(value).copied().unwrap_or(MISSING);
    let seen = found.rows.keys().map(|&text| (text.to_string(), code_of(&canonical(text))));
    let likely =
        values.iter().chain(&null_spellings).flat_map(|value| spelling::likely(value).into_iter().map(|text| (text, code_of(value))));
    let null = null_spellings.iter().map(|value| (value.clone(), MISSING));
    for (text, code) in seen.chain(likely).chain(null).filter(|(text, _)| is_free(text)) {
        aliases.entry(text).or_insert(code);
    }
    let (mut counts, mut missing) = (vec![0; values.len()], found.missing);
    for (&text, rows) in &found.rows {
        match codes.get(text).or(aliases.get(text)).copied().unwrap_or(MISSING) {
            MISSING => missing += rows,
            code => counts[code as usize] += rows,
        }
    }
    FeatureKind::Category { values, counts, missing, aliases: aliases.into_iter().collect() }
}

/// For each part, the code of each of the part's own texts in a category of these values and aliases.
pub(crate) fn recode(input: usize, values: &[String], aliases: &[(String, u32)], parts: &[Part]) -> Vec<Vec<u32>> {
    let values = values.iter().enumerate().map(|(code, value)| (value.as_str(), code as u32));
    let codes: HashMap<&str, u32> = values.chain(aliases.iter().map(|(alias, code)| (alias.as_str(), *code))).collect();
    let of_part = |part: &Part| match &part.inputs[input] {
        Values::Text(_, texts) => texts.iter().map(|text| text.and_then(|t| codes.get(t).copied()).unwrap_or(UNSEEN)).collect(),
        _ => Vec::new(),
    };
    parts.iter().map(of_part).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    /// Rows of these texts; "" is missing.
    fn part(rows: &[&str]) -> Part {
        let texts: BTreeSet<&str> = rows.iter().copied().filter(|text| !text.is_empty()).collect();
        let code = |row: &&str| texts.iter().position(|text| text == row).map_or(MISSING, |code| code as u32);
        let codes = rows.iter().map(code).collect();
        let values = Values::Text(codes, StringArray::from_iter_values(&texts));
        Part { inputs: vec![values], target: None, weight: None, rows: rows.len(), rounding: Vec::new(), zones: Vec::new(), bad: None }
    }

    fn aliases(of: &[(&str, u32)]) -> Vec<(String, u32)> {
        of.iter().map(|&(text, code)| (text.to_string(), code)).collect()
    }

    #[test]
    fn spellings_of_a_value_share_its_code() {
        let train = [part(&["1", "01", "x", ""]), part(&["1.0", "10", "2.50", "-999"])];
        let nulls = Nulls::new(&["-999.0".to_string()]);
        let kind = fit(0, None, Some(&nulls), &train);
        let FeatureKind::Category { values, counts, missing, aliases: found } = &kind else { panic!("{kind:?}") };
        assert_eq!((values.join(" ").as_str(), counts.as_slice(), *missing), ("1 10 2.5 x", &[3, 1, 1, 1][..], 2));
        let expected = [("-999", MISSING), ("01", 0), ("1.0", 0), ("10.0", 1), ("2.50", 2)];
        assert_eq!(*found, aliases(&expected));
        let codes = recode(0, values, found, &[part(&["001", "01", "1", "x"])]);
        assert_eq!(codes, [[UNSEEN, 0, 0, 3]]);
    }

    #[test]
    fn texts_stay_as_they_are() {
        let kind = fit(0, None, None, &[part(&["1", "01", "True", "true", "1"])]);
        let FeatureKind::Category { values, counts, aliases, .. } = kind else { panic!("{kind:?}") };
        assert_eq!((values.join(" ").as_str(), counts.as_slice(), aliases.len()), ("01 1 True true", &[1, 2, 1, 1][..], 0));
    }

    #[test]
    fn a_category_that_goes_on_keeps_its_codes_and_spellings() {
        let nulls = Nulls::default();
        let before = fit(0, None, Some(&nulls), &[part(&["7", "03", "true"])]);
        let feature = Feature { name: "k".into(), input: 0, kind: before };
        let schema = Schema { features: vec![feature], ..Schema::default() };
        let kind = fit(0, Some((&schema, "k")), Some(&nulls), &[part(&["3.0", "1", "TRUE", "007"])]);
        let FeatureKind::Category { values, counts, aliases: found, .. } = kind else { panic!("{kind:?}") };
        assert_eq!((values.join(" ").as_str(), counts.as_slice()), ("3 7 true 1", &[1, 1, 1, 1][..]));
        let expected = [("007", 1), ("03", 0), ("1.0", 3), ("3.0", 0), ("7.0", 1), ("TRUE", 2), ("True", 2)];
        assert_eq!(found, aliases(&expected));
    }
}
