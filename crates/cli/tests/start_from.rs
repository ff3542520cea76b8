//! Going on from a model: what the job says must not contradict what the model holds.

mod program;

use program::{Folder, table};

#[test]
fn what_contradicts_the_model_is_refused_by_its_key() {
    let folder = Folder::new();
    folder.write("t.csv", table());
    folder.succeed("train --data t.csv --target sold --model gradient-boosting --set model.n_estimators=3 --output trees.onnx");
    folder.succeed("train --data t.csv --model k-means --set model.n_clusters=2 --output clusters.onnx");

    let trees = "train --data t.csv --target sold --model gradient-boosting --set model.start_from=trees.onnx --output more.onnx";
    folder.succeed(trees);
    folder.refuse(&format!("{trees} --set data.task=regression"), &["data.task", "trees.onnx predicts classes"]);
    folder.refuse(&format!("{trees} --set data.categories=[\"size\"]"), &["data.categories", "\"size\"", "trees.onnx"]);

    let clusters = "train --data t.csv --model k-means --set model.start_from=clusters.onnx --output more.onnx --set";
    folder.succeed(&format!("{clusters} model.n_clusters=2"));
    folder.refuse(&format!("{clusters} model.n_clusters=3"), &["model.n_clusters = 3", "2 clusters"]);
}
