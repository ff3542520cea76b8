//! Sparse tables as a user has them: LibSVM files and lists in Parquet, read, looked at and predicted for.

#![allow(missing_docs)]

mod program;

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{Array, Float32Builder, Int32Builder};
use datafusion::arrow::array::{
    ArrayRef, FixedSizeListArray, Float32Array, Int64Array, Int64Builder, ListArray, ListBuilder, MapBuilder, RecordBatch, StringArray,
    StringBuilder, StructArray, UInt64Builder,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{Field, Float32Type};
use datafusion::parquet::arrow::ArrowWriter;
use program::{Folder, table};
use quelea_core::estimator::{Design, Encoding, Estimator, Linear, Link};
use quelea_core::hash::bucket;
use quelea_core::schema::{Feature, FeatureKind, Hashed, Input, InputKind, Schema, Target};
use quelea_model::{About, Model};

/// A linear model of one sparse feature whose weight of index `i` is `i + 1`.
fn model(inputs: Vec<Input>, width: u32, hashed: Vec<Hashed>) -> Vec<u8> {
    let kind = FeatureKind::Sparse { width, largest: 1.0, entries: 1, hashed };
    let schema = Schema {
        features: vec![Feature { name: if inputs.len() > 1 { "hashed".into() } else { inputs[0].name.clone() }, input: 0, kind }],
        inputs,
        target: Target::Number { name: "y".into() },
        weight: None,
        largest_weight: 1.0,
        rows: 1,
        ..Schema::default()
    };
    let weights = vec![(0..width).map(|index| f64::from(index + 1)).collect()];
    let design = Design { encodings: vec![Encoding::Sparse { width }] };
    let estimator = Estimator::new(Linear { design, intercepts: vec![100.0], weights, link: Link::Identity });
    Model { schema, estimator, about: About::default() }.to_bytes().unwrap()
}

fn of_column(name: &str, width: u32) -> Vec<u8> {
    model(vec![Input { name: name.into(), kind: InputKind::Sparse }], width, Vec::new())
}

fn predicted(folder: &Folder, table: &str) -> Vec<f64> {
    let out = folder.succeed(&format!("predict model.onnx {table} --output -")).out;
    out.lines().skip(1).map(|line| line.parse().unwrap()).collect()
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

const ROWS: &str = "+1 1:2 3:0.5 # a note\n-1\n\n0 3:1 0:1\n1 999:5\n2:1\n";

#[test]
fn rows_of_libsvm_files_are_predicted_in_any_wrapping() {
    let folder = Folder::new();
    folder.write("model.onnx", of_column("features", 10)).write("t.svm", ROWS).write("t.libsvm.gz", gzip(ROWS));
    folder.write("t.svmlight.zst", zstd::encode_all(ROWS.as_bytes(), 0).unwrap());
    // Index 999 is unknown to the model; the last row has no label.
    for table in ["t.svm", "t.libsvm.gz", "t.svmlight.zst"] {
        assert_eq!(predicted(&folder, table), [106.0, 100.0, 105.0, 100.0, 103.0], "{table}");
    }
    folder.write("many/a.svm", ROWS).write("many/b.svm", "1 9:1");
    assert_eq!(predicted(&folder, "many").len(), 6);
    folder.write("many/c.csv", table());
    folder.refuse("inspect many", &["c.csv", "another format"]);
    assert!(folder.succeed("inspect t.svm").out.contains("features"));
}

#[test]
fn broken_libsvm_files_are_named_with_their_line() {
    let folder = Folder::new();
    let broken = [
        ("twice.svm", "1 1:1\n1 5:1 5:2\n", "line 2: index 5 occurs twice"),
        ("huge.svm", "1 4294967295:1\n", "line 1: the index 4294967295 is beyond"),
        ("word.svm", "# c\n\nspam 1:1\n", "line 3: the label \"spam\" is not a number"),
        ("qid.svm", "1 qid:7 1:1\n", "qid"),
        ("csv.svm", "a,b\n1,2\n", "line 1"),
        ("infinite.svm", "1 1:inf\n", "infinite"),
    ];
    for (name, content, problem) in broken {
        folder.write(name, content).refuse(&format!("inspect {name}"), &[name, problem]);
    }
    folder.write("empty.svm", "").refuse("inspect empty.svm", &["empty.svm", "empty"]);
    let long: String = (0..100_000).map(|row| format!("1 {}:1 {}:0.25\n", row % 97, 100 + row % 1013)).collect();
    let whole = gzip(&long);
    folder.write("cut.svm.gz", &whole[..whole.len() / 2]).refuse("inspect cut.svm.gz", &["cut.svm.gz", "cut short"]);
    folder.write("t.svm", ROWS);
    folder.refuse("train --data t.svm --model gradient-boosting", &["\"features\"", "gradient-boosting does not learn from sparse"]);
}

fn strings(rows: &[Option<&[&str]>]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in rows {
        row.iter().flat_map(|row| row.iter()).for_each(|text| lists.values().append_value(text));
        lists.append(row.is_some());
    }
    Arc::new(lists.finish())
}

#[test]
fn lists_of_every_kind_are_predicted() {
    let folder = Folder::new();
    folder.write("model.onnx", of_column("x", 10));
    let indices = ListArray::from_iter_primitive::<datafusion::arrow::datatypes::Int64Type, _, _>(vec![
        Some(vec![Some(3), Some(0)]),
        None,
        Some(vec![]),
        Some(vec![Some(77)]),
    ]);
    let dense = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        vec![Some(vec![Some(1.0), None]), None, Some(vec![Some(0.0), Some(0.0)]), Some(vec![Some(0.0), Some(-1.0)])],
        2,
    );
    let mut maps = MapBuilder::new(None, Int32Builder::new(), Float32Builder::new());
    for row in [&[(2, 0.5), (1, 1.0)][..], &[], &[(1_000_000, 1.0)], &[(9, 2.0)]] {
        for &(index, value) in row {
            maps.keys().append_value(index);
            maps.values().append_value(value);
        }
        maps.append(true).unwrap();
    }
    let pairs = StructArray::try_from(vec![
        ("index", Arc::new(Int64Array::from(vec![4, 2, 5])) as ArrayRef),
        ("value", Arc::new(Float32Array::from(vec![Some(2.0), None, Some(1.0)])) as ArrayRef),
    ])
    .unwrap();
    let item = Arc::new(Field::new("item", pairs.data_type().clone(), true));
    let pairs = ListArray::new(item, OffsetBuffer::new(vec![0, 2, 2, 3, 3].into()), Arc::new(pairs), None);
    let cases: [(ArrayRef, [f64; 4]); 4] = [
        (Arc::new(indices), [105.0, 100.0, 100.0, 100.0]),
        (Arc::new(dense), [101.0, 100.0, 100.0, 98.0]),
        (Arc::new(maps.finish()), [103.5, 100.0, 100.0, 120.0]),
        (Arc::new(pairs), [110.0, 100.0, 106.0, 100.0]),
    ];
    for (array, expected) in cases {
        let kind = format!("{:?}", array.data_type());
        folder.write("t.parquet", parquet(vec![("x", array)]));
        assert_eq!(predicted(&folder, "t.parquet"), expected, "{kind}");
    }
}

#[test]
fn lists_that_cannot_be_used_are_named() {
    let folder = Folder::new();
    let list = |index: i64| {
        let mut lists = ListBuilder::new(Int64Builder::new());
        lists.append_value([Some(1)]);
        lists.append_value([Some(index)]);
        Arc::new(lists.finish()) as ArrayRef
    };
    folder.write("negative.parquet", parquet(vec![("x", list(-1))]));
    folder.refuse("inspect negative.parquet", &["negative.parquet", "row 2", "\"x\"", "the index -1 is negative"]);
    folder.write("large.parquet", parquet(vec![("x", list(u32::MAX.into()))]));
    folder.refuse("inspect large.parquet", &["row 2", "\"x\"", "4294967295", "beyond"]);
    let mut unsigned = ListBuilder::new(UInt64Builder::new());
    unsigned.append_value([Some(u64::MAX)]);
    folder.write("unsigned.parquet", parquet(vec![("x", Arc::new(unsigned.finish()))]));
    folder.refuse("inspect unsigned.parquet", &["row 1", "\"x\""]);
    let mut nested = ListBuilder::new(ListBuilder::new(Int64Builder::new()));
    nested.values().append_value([Some(1)]);
    nested.append(true);
    let y = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    folder.write("nested.parquet", parquet(vec![("x", Arc::new(nested.finish())), ("y", y())]));
    let train = "train --target y --model gradient-boosting --data";
    folder.refuse(&format!("{train} nested.parquet"), &["\"x\"", "cannot be learned from", "data.ignore"]);
    folder.write("texts.parquet", parquet(vec![("x", strings(&[Some(&["a"])])), ("y", y())]));
    folder.refuse(&format!("{train} texts.parquet"), &["\"x\"", "lists of texts", "data.hashed"]);
    folder.refuse(&format!("{train} texts.parquet --set data.hashed=[\"x\"]"), &["\"x\"", "does not learn from sparse or hashed"]);
    folder.refuse(&format!("{train} texts.parquet --set data.hashed=[\"y\"]"), &["data.hashed", "data.target"]);
    folder.refuse(&format!("{train} texts.parquet --set data.hash_buckets=1"), &["data.hash_buckets", "from 2"]);
    folder.refuse(&format!("{train} texts.parquet --set data.hash_buckets=8"), &["data.hash_buckets", "data.hashed"]);
}

#[test]
fn hashed_columns_are_predicted_and_unseen_texts_are_nothing() {
    let folder = Folder::new();
    let inputs = [("site", InputKind::Text), ("words", InputKind::Texts), ("code", InputKind::Text)];
    let inputs = inputs.map(|(name, kind)| Input { name: name.into(), kind }).to_vec();
    let known = |values: &[&str]| values.iter().map(|v| v.to_string()).collect();
    let hashed = vec![
        Hashed { input: 0, values: known(&["a", "b"]) },
        Hashed { input: 1, values: known(&["x", "y"]) },
        Hashed { input: 2, values: known(&["7"]) },
    ];
    folder.write("model.onnx", model(inputs, 1_000, hashed));
    let site: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("unseen"), None]));
    let words = strings(&[Some(&["x", "y", "z"]), Some(&["x", "x"]), None]);
    let code: ArrayRef = Arc::new(Int64Array::from(vec![Some(7), Some(8), None]));
    folder.write("t.parquet", parquet(vec![("words", words), ("code", code), ("site", site)]));
    let weight = |column, text| f64::from(bucket(column, text, 1_000) + 1);
    let first = weight("site", "a") + weight("words", "x") + weight("words", "y") + weight("code", "7");
    assert_eq!(predicted(&folder, "t.parquet"), [100.0 + first, 100.0 + 2.0 * weight("words", "x"), 100.0]);
}

#[test]
fn a_million_columns_of_three_rows_stay_small() {
    let folder = Folder::new();
    folder.write("model.onnx", of_column("features", 1_000_000)).write("t.svm", "1 999999:1\n0 1:1\n1\n");
    assert_eq!(predicted(&folder, "t.svm"), [1_000_100.0, 102.0, 100.0]);
    assert!(std::fs::metadata(folder.path("model.onnx")).unwrap().len() < 4_100_000);
    assert!(folder.succeed("inspect model.onnx").out.contains("1000000 columns"));
}
