//! Writes random models, rows for them and our predictions to a folder, for a comparison with ONNX Runtime:
//! `cargo run -p quelea-model --example random_models -- FOLDER COUNT`.

use std::error::Error;
use std::fs;
use std::path::Path;

use quelea_core::prediction::Predictions;
use quelea_core::schema::{Labels, Target};
use quelea_model::{Column, Scorer};
use serde_json::{Value, json};

use random::{Random, Values};

#[allow(missing_docs, reason = "shared with the tests")]
#[path = "../tests/random/mod.rs"]
mod random;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("give a folder and a number of models".into());
    };
    for seed in 0..count.parse()? {
        let folder = Path::new(&folder).join(format!("{seed:04}"));
        fs::create_dir_all(&folder)?;
        write(&folder, seed)?;
    }
    Ok(())
}

fn write(folder: &Path, seed: u64) -> Result<(), Box<dyn Error>> {
    let mut random = Random::new(seed);
    let model = random.model();
    let rows = [1, 2, 63, 513, 2_000][random.below(5)];
    let values = random.rows(&model.schema, rows);
    let columns: Vec<Column> = values.iter().map(Values::column).collect();
    let predictions = Scorer::new(&model)?.score(&columns)?;
    fs::write(folder.join("model.onnx"), model.to_bytes()?)?;
    let inputs: Vec<Value> =
        model.schema.inputs.iter().zip(&values).flat_map(|(input, values)| described_input(&input.name, values)).collect();
    let labels = match &model.schema.target {
        Target::Classes { labels: Labels::Integers(v), .. } => json!(v),
        Target::Classes { labels: Labels::Text(v), .. } => json!(v),
        _ => Value::Null,
    };
    let expected = json!({"inputs": inputs, "labels": labels, "rows": rows, "predictions": described(&predictions)});
    fs::write(folder.join("expected.json"), serde_json::to_vec(&expected)?)?;
    Ok(())
}

/// A column as the graph's inputs take it: the lists of sparse columns and texts are filled up to the longest.
fn described_input(name: &str, values: &Values) -> Vec<Value> {
    let Values::Sparse { offsets, indices, values } = values else { return vec![json!({"name": name, "values": list(values)})] };
    let ones = vec![1.0; indices.len()];
    let values = values.as_ref().unwrap_or(&ones);
    vec![
        json!({"name": format!("{name}.indices"), "values": padded(offsets, indices, &json!(-1))}),
        json!({"name": format!("{name}.values"), "values": padded(offsets, values, &json!(0.0))}),
    ]
}

/// Lists of the same length.
fn padded<T: serde::Serialize>(offsets: &[u32], entries: &[T], padding: &Value) -> Vec<Vec<Value>> {
    let rows = || offsets.windows(2).map(|row| &entries[row[0] as usize..row[1] as usize]);
    let longest = rows().map(<[T]>::len).max().unwrap_or(0);
    rows().map(|row| row.iter().map(|entry| json!(entry)).chain(std::iter::repeat(padding.clone())).take(longest).collect()).collect()
}

/// Values as JSON: NaN and missing texts as null, the smallest integer as it is.
fn list(values: &Values) -> Value {
    match values {
        Values::Number(v) => json!(v),
        Values::Text(v) => json!(v.iter().map(|t| t.unwrap_or_default()).collect::<Vec<_>>()),
        Values::Timestamp(v) => json!(v),
        Values::Texts { offsets, codes, dictionary } => {
            let texts: Vec<&str> = codes.iter().map(|&code| dictionary.value(code as usize)).collect();
            json!(padded(offsets, &texts, &json!("")))
        }
        Values::Sparse { .. } => unreachable!("they are two inputs"),
    }
}

fn described(predictions: &Predictions) -> Value {
    match predictions {
        Predictions::Numbers(values) => json!({"prediction": values}),
        Predictions::Classes { best, probabilities, .. } => json!({"best": best, "probabilities": probabilities}),
        Predictions::Clusters { nearest, distances } => json!({"cluster": nearest, "distance": distances}),
    }
}
