"""Compares our predictions with ONNX Runtime's on the same files.

    cargo run -p quelea-model --example random_models -- FOLDER COUNT
    python tests/onnx_runtime/compare.py FOLDER

`within`, `feed` and `outputs` are for other comparisons too.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime

TOLERANCE = 1e-5


def session(path):
    """The model in `path`, warnings off."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def feed(model, columns):
    """Columns by name as the arrays of shape [rows, 1] that the model takes; those of several values a row have a shape already."""
    types = {"tensor(float)": np.float32, "tensor(string)": object, "tensor(int64)": np.int64}
    arrays = {i.name: np.asarray(columns[i.name], dtype=types[i.type]) for i in model.get_inputs()}
    return {name: array if array.ndim == 2 else array.reshape(-1, 1) for name, array in arrays.items()}


def outputs(model, columns):
    """The model's outputs by name, without what was put before a name to keep it from a column's."""
    names = [o.name for o in model.get_outputs()]
    values = model.run(names, feed(model, columns))
    return {name.rsplit("predicted_", 1)[-1]: value for name, value in zip(names, values)}


def within(ours, theirs):
    """The largest difference in units of the value's size; values below the least normal float are taken for 0."""
    ours, theirs = np.asarray(ours, np.float64).ravel(), np.asarray(theirs, np.float64).ravel()
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    assert np.isfinite(ours).all() and np.isfinite(theirs).all(), "predictions are not all finite"
    size = np.maximum(np.maximum(np.abs(ours), np.abs(theirs)), np.finfo(np.float32).tiny)
    return float(np.max(np.abs(ours - theirs) / size, initial=0.0))


def same_labels(best, labels, theirs, probabilities):
    """Whether labels are equal wherever the two best probabilities are apart."""
    ours = np.asarray(labels, dtype=object)[best]
    top = np.sort(probabilities, axis=1)
    apart = top[:, -1] - top[:, -2] > TOLERANCE
    return bool(np.all((ours == theirs.astype(object)) | ~apart))


def known(values):
    """Values with NaN for null, also inside of lists."""
    return [known(v) if isinstance(v, list) else np.nan if v is None else v for v in values]


def compare(folder):
    """The largest difference of one model; raises where something else is wrong."""
    expected = json.loads((folder / "expected.json").read_text())
    columns = {i["name"]: known(i["values"]) for i in expected["inputs"]}
    theirs = outputs(session(folder / "model.onnx"), columns)
    ours = expected["predictions"]
    if "prediction" in ours:
        assert theirs["prediction"].shape == (expected["rows"], 1)
        return within(ours["prediction"], theirs["prediction"])
    if "cluster" in ours:
        assert np.array_equal(ours["cluster"], theirs["cluster"]), "clusters differ"
        return within(ours["distance"], theirs["distance"])
    probabilities = theirs["probabilities"]
    assert same_labels(ours["best"], expected["labels"], theirs["label"], probabilities), "labels differ"
    return within(ours["probabilities"], probabilities)


def main(folder):
    folders = sorted(p for p in pathlib.Path(folder).iterdir() if (p / "expected.json").exists())
    worst = 0.0
    for folder in folders:
        difference = compare(folder)
        if difference > TOLERANCE:
            sys.exit(f"{folder}: predictions differ by {difference:.3g} of the value's size")
        worst = max(worst, difference)
    print(f"{len(folders)} models: ONNX Runtime {onnxruntime.__version__} gives our predictions within {worst:.3g} of the value's size")


if __name__ == "__main__":
    main(sys.argv[1])
