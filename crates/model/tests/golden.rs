//! Files of earlier versions, which must stay readable and predict what they did. They are never written anew; a change
//! in how models are written adds files. `tests/golden/README.md` says how they were made.

#![allow(missing_docs)]

use std::path::PathBuf;

use arrow::array::{StringArray, StringViewArray};
use quelea_core::prediction::Predictions;
use quelea_core::schema::{Input, InputKind};
use quelea_model::{Column, Model, Scorer};

enum Values {
    Number(Vec<f32>),
    Text(StringViewArray),
    Timestamp(Vec<i64>),
    Sparse { offsets: Vec<u32>, indices: Vec<u32>, values: Vec<f32> },
    Texts { offsets: Vec<u32>, codes: Vec<u32>, dictionary: StringArray },
}

impl Values {
    fn column(&self) -> Column<'_> {
        match self {
            Self::Number(values) => Column::Number(values),
            Self::Text(values) => Column::Text(values),
            Self::Timestamp(values) => Column::Timestamp(values),
            Self::Sparse { offsets, indices, values } => Column::Sparse { offsets, indices, values: Some(values) },
            Self::Texts { offsets, codes, dictionary } => Column::Texts { offsets, codes, texts: dictionary },
        }
    }
}

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

/// The columns of a CSV file without quotes, by name.
fn columns(file: &str) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(path(file)).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_string).collect::<Vec<_>>());
    let mut columns: Vec<(String, Vec<String>)> = lines.next().unwrap().into_iter().map(|name| (name, Vec::new())).collect();
    for line in lines {
        columns.iter_mut().zip(line).for_each(|((_, values), value)| values.push(value));
    }
    columns
}

fn values(input: &Input, table: &[(String, Vec<String>)]) -> Values {
    let (_, texts) = table.iter().find(|(name, _)| *name == input.name).unwrap();
    match input.kind {
        InputKind::Number => Values::Number(texts.iter().map(|text| number(text)).collect()),
        InputKind::Text => Values::Text(texts.iter().map(Some).collect()),
        InputKind::Timestamp => Values::Timestamp(texts.iter().map(|text| micros(text)).collect()),
        InputKind::Sparse => entries(texts),
        InputKind::Texts => lists(texts),
    }
}

fn number(text: &str) -> f32 {
    match text {
        "" => f32::NAN,
        "true" => 1.0,
        "false" => 0.0,
        number => number.parse().unwrap(),
    }
}

/// What stands between blanks in each text, and how much that is up to the end of each.
fn words(texts: &[String]) -> (Vec<u32>, Vec<&str>) {
    let words = texts.iter().map(|text| text.split_ascii_whitespace().collect::<Vec<_>>());
    let (mut offsets, mut all) = (vec![0], Vec::new());
    for words in words {
        all.extend(words);
        offsets.push(all.len() as u32);
    }
    (offsets, all)
}

/// `index:value index:value`.
fn entries(texts: &[String]) -> Values {
    let (offsets, words) = words(texts);
    let (indices, values) =
        words.iter().map(|word| word.split_once(':').unwrap()).map(|(i, v)| (i.parse::<u32>().unwrap(), number(v))).unzip();
    Values::Sparse { offsets, indices, values }
}

fn lists(texts: &[String]) -> Values {
    let (offsets, words) = words(texts);
    Values::Texts { offsets, codes: (0..words.len() as u32).collect(), dictionary: StringArray::from(words) }
}

/// `2024-01-DDTHH:MM:00`.
fn micros(text: &str) -> i64 {
    let two = |at: usize| text[at..at + 2].parse::<i64>().unwrap();
    if text.is_empty() { i64::MIN } else { (1_704_067_200 + ((two(8) - 1) * 24 + two(11)) * 3_600 + two(14) * 60) * 1_000_000 }
}

/// Row after row: a number, the probability of each class, or a cluster and its distance.
fn numbers(predictions: &Predictions) -> Vec<f32> {
    match predictions {
        Predictions::Numbers(values) => values.clone(),
        Predictions::Classes { probabilities, .. } => probabilities.clone(),
        Predictions::Clusters { nearest, distances } => {
            nearest.iter().zip(distances).flat_map(|(&cluster, &distance)| [cluster as f32, distance]).collect()
        }
    }
}

#[test]
fn earlier_files_are_read_and_predict_what_they_did() {
    let table = columns("table.csv");
    let files = std::fs::read_dir(path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let models: Vec<String> = files.filter(|file| file.ends_with(".onnx")).collect();
    assert!(models.len() >= 6, "{models:?}");
    for file in models {
        let model = Model::from_bytes(&std::fs::read(path(&file)).unwrap()).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert!(Model::from_bytes(&model.to_bytes().unwrap()).unwrap() == model, "{file}");
        let values: Vec<Values> = model.schema.inputs.iter().map(|input| values(input, &table)).collect();
        let columns_in: Vec<Column> = values.iter().map(Values::column).collect();
        let now = numbers(&Scorer::new(&model).unwrap().score(&columns_in).unwrap());
        // A predicted label follows from the probabilities.
        let mut before = columns(&file.replace(".onnx", ".csv"));
        before.retain(|(name, _)| name != "prediction" || model.schema.target.name() == Some("price"));
        let rows = before[0].1.len();
        let before: Vec<f32> = (0..rows).flat_map(|row| before.iter().map(move |(_, texts)| number(&texts[row]))).collect();
        assert_eq!(now.len(), before.len(), "{file}");
        for (place, (now, before)) in now.into_iter().zip(before).enumerate() {
            assert!((now - before).abs() <= 1e-6 * before.abs(), "{file}, number {place}: {now} is {before} no more");
        }
    }
}
