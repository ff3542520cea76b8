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

#[allow(missing_docs, dead_code, reason = "shared with the tests, which use more of it")]
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
        model.schema.inputs.iter().zip(&values).map(|(input, values)| json!({"name": input.name, "values": list(values)})).collect();
    let labels = match &model.schema.target {
        Target::Classes { labels: Labels::Integers(v), .. } => json!(v),
        Target::Classes { labels: Labels::Text(v), .. } => json!(v),
        _ => Value::Null,
    };
    let expected = json!({"inputs": inputs, "labels": labels, "rows": rows, "predictions": described(&predictions)});
    fs::write(folder.join("expected.json"), serde_json::to_vec(&expected)?)?;
    Ok(())
}

/// Values as JSON: NaN and missing texts as null, the smallest integer as it is.
fn list(values: &Values) -> Value {
    match values {
        Values::Number(v) => json!(v),
        Values::Text(v) => json!(v.iter().map(|t| t.unwrap_or_default()).collect::<Vec<_>>()),
        Values::Timestamp(v) => json!(v),
    }
}

fn described(predictions: &Predictions) -> Value {
    match predictions {
        Predictions::Numbers(values) => json!({"prediction": values}),
        Predictions::Classes { best, probabilities, .. } => json!({"best": best, "probabilities": probabilities}),
        Predictions::Clusters { nearest, distances } => json!({"cluster": nearest, "distance": distances}),
    }
}
