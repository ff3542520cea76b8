//! Weights of rows: a row that weighs nothing is as good as absent, whatever it holds, and one of weight 3 is as good as three.

mod program;

use program::{Folder, table};

/// Every learner, with what it is to learn.
const LEARNERS: [&str; 7] = [
    "gradient-boosting --target sold --set model.n_estimators=5",
    "logistic-regression --target sold",
    "sparse-logistic-regression --target sold",
    "linear-svm --target sold",
    "factorization-machine --target sold",
    "k-means --set data.ignore=[\"sold\"] --set model.n_clusters=3",
    "mini-batch-k-means --set data.ignore=[\"sold\"] --set model.n_clusters=3",
];

/// The rows of [`table`], without its header, and how often each is to count.
fn rows() -> Vec<(String, usize)> {
    table().lines().skip(1).enumerate().map(|(i, row)| (row.to_string(), 1 + i % 3)).collect()
}

/// The rows with a column of weights, and `more` rows behind them.
fn weighted(more: &str) -> String {
    let rows = rows().iter().map(|(row, weight)| format!("{row},{weight}\n")).collect::<String>();
    format!("size,color,sold,w\n{rows}{more}")
}

/// Rows that weigh nothing: far from all others, of a category and a class of their own, and without values.
const WEIGHTLESS: [&str; 3] = ["1e9,violet,no,0\n", "1.5,red,maybe,0\n", ",,yes,0\n"];
const FAINT: &str = "1e9,violet,no,1e-30\n";

#[test]
fn rows_without_weight_leave_no_trace_in_a_model() {
    let folder = Folder::new();
    for learner in LEARNERS {
        let train = |table: &str| {
            folder.write("t.csv", table);
            let ended = folder.succeed(&format!("train --data t.csv --set data.weight=w --model {learner} --output m.onnx"));
            (std::fs::read(folder.path("m.onnx")).unwrap(), ended.err)
        };
        let (model, _) = train(&weighted(""));
        for more in WEIGHTLESS {
            let (with_more, said) = train(&weighted(more));
            assert!(with_more == model, "{learner}, {more:?}");
            assert!(!said.contains("weigh less"), "{learner}, {more:?}: {said}");
        }
        let (with_more, said) = train(&weighted(FAINT));
        assert!(with_more == model, "{learner}, {FAINT:?}");
        assert!(said.contains("\"w\": 1 rows weigh less than 1e-15 of the heaviest"), "{learner}: {said}");
    }
}

#[test]
fn rows_without_weight_do_not_validate() {
    let folder = Folder::new();
    folder.write("t.csv", weighted(""));
    let train = |validation: &str| {
        folder.write("v.csv", validation);
        let line = "train --data t.csv --target sold --set data.weight=w --set data.validation=v.csv --model sparse-logistic-regression";
        folder.succeed(&format!("{line} --output m.onnx"));
        std::fs::read(folder.path("m.onnx")).unwrap()
    };
    let model = train(&weighted(""));
    assert!(train(&weighted(&WEIGHTLESS.concat())) == model);
}

#[test]
fn balanced_classes_count_weights_as_they_count_rows() {
    let folder = Folder::new();
    let repeated = rows().iter().map(|(row, times)| format!("{row}\n").repeat(*times)).collect::<String>();
    folder.write("weighted.csv", weighted("")).write("repeated.csv", format!("size,color,sold\n{repeated}"));
    let predictions = |train: &str| -> Vec<f64> {
        let settings = "--target sold --model logistic-regression --set data.class_weights=balanced --output m.onnx";
        folder.succeed(&format!("train {settings} {train}"));
        let ended = folder.succeed("predict m.onnx weighted.csv --output -");
        ended.out.lines().flat_map(|line| line.split(',')).filter_map(|value| value.parse().ok()).collect()
    };
    let (weighted, repeated) = (predictions("--data weighted.csv --set data.weight=w"), predictions("--data repeated.csv"));
    assert_eq!((weighted.len(), repeated.len()), (400, 400), "two probabilities of each row");
    let apart = weighted.iter().zip(&repeated).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart < 1e-4, "{apart}");
}

#[test]
fn parts_without_a_row_that_counts_are_warned_of() {
    let folder = Folder::new();
    let weightless = rows().iter().map(|(row, _)| format!("{row},0\n")).collect::<String>();
    folder.write("t.csv", weighted("")).write("v.csv", format!("size,color,sold,w\n{weightless}"));
    let train = |part: &str| {
        let settings = "--target sold --set data.weight=w --model gradient-boosting --set model.n_estimators=3 --output m.onnx";
        folder.succeed(&format!("train --data t.csv {settings} {part}")).err
    };
    let none = "gives no row that weighs more than 0";
    for (part, key, advice) in [
        ("data.validation=v.csv", "data.validation", "no early stopping; give its rows weights above 0"),
        ("data.validation=1e-9", "data.validation", "no early stopping; set it to a larger share"),
        ("data.test=v.csv", "data.test", "give its rows weights above 0"),
        ("data.test=1e-9", "data.test", "set it to a larger share"),
    ] {
        let said = train(&format!("--set {part}"));
        assert!(said.contains(&format!("{key} {none}")) && said.contains(advice), "{part}: {said}");
    }
    assert!(!train("--set data.validation=0.2 --set data.test=0.2").contains(none));
    assert!(folder.succeed("evaluate m.onnx v.csv").err.contains("v.csv: every row weighs 0"));
    folder.refuse("train --data v.csv --target sold --set data.weight=w --model linear-svm", &["v.csv", "\"w\"", "weighs 0"]);
}
