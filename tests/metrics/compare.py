"""Compares our metrics with scikit-learn's on random cases: ties, weights, absent classes, values of any size.

usage: compare.py PROGRAM [--cases N] [--seed N]      PROGRAM is the example `metrics` of quelea-learn
"""
import argparse
import json
import subprocess
import sys
import warnings

import numpy as np
from sklearn import metrics
from sklearn.cluster import KMeans

TOLERANCE = 1e-9


def probabilities(rng, rows, classes):
    """32-bit probabilities, often tied, sometimes 0 or 1."""
    raw = rng.gamma(rng.choice([0.05, 0.5, 3.0]), size=(rows, classes)) + 1e-12
    raw /= raw.sum(axis=1, keepdims=True)
    if rng.random() < 0.6:
        raw = np.round(raw * 8) / 8
        raw[:, 0] += 1 - raw.sum(axis=1)
        raw = np.abs(raw)
        raw /= raw.sum(axis=1, keepdims=True)
    return raw.astype(np.float32)


def clusters(rng, rows):
    """Distances of points on a line to the nearest of some centres; whole numbers, so that 32 bits hold them."""
    points, centers = rng.integers(-1000, 1000, (rows, 1)), rng.integers(-1000, 1000, (rng.integers(1, 9), 1))
    distances = np.abs(points - centers.T)
    return {
        "truth": np.zeros(rows),
        "predictions": distances.min(axis=1).astype(np.float32),
        "best": distances.argmin(axis=1),
        "points": points.astype(float),
        "centers": centers.astype(float),
    }


def random_case(rng):
    rows = int(rng.choice([1, 2, 5, 40, 700]))
    classes = int(rng.choice([-1, 0, 2, 2, 3, 7]))
    weight = None
    if rng.random() < 0.5:
        weight = rng.choice([rng.integers(0, 4, rows), rng.exponential(size=rows)]).astype(np.float32)
    case = {"classes": classes, "weight": weight, "quantile": None, "best": np.zeros(0, int), "cut": int(rng.integers(0, rows + 1))}
    if classes < 0:
        case |= clusters(rng, rows)
    elif classes:
        case["truth"] = rng.integers(0, classes, rows)
        case["predictions"] = probabilities(rng, rows, classes)
        case["best"] = case["predictions"].argmax(axis=1)
    else:
        size, shift = 10.0 ** rng.integers(-6, 7), rng.choice([0, 0, 1e4, 1e9])
        truth = (rng.normal(size=rows) + shift) * size
        case["truth"] = truth if rng.random() < 0.5 else truth.astype(np.float32).astype(np.float64)
        case["predictions"] = (truth + rng.normal(size=rows) * size).astype(np.float32)
        case["quantile"] = float(rng.choice([0.1, 0.5, 0.9]))
    return case


def reference(case):
    """scikit-learn's metrics, without those that these rows do not define."""
    y, w = case["truth"], case["weight"]
    if w is not None:
        w = w.astype(np.float64)
        if w.sum() == 0:
            return {}
    if case["classes"] < 0:
        model = KMeans(len(case["centers"]), init=case["centers"], n_init=1).fit(case["centers"])
        model.cluster_centers_ = case["centers"]
        return {"inertia": -model.score(case["points"], sample_weight=w)}
    if not case["classes"]:
        y, p = y.astype(np.float64), case["predictions"].astype(np.float64)
        values = {
            "rmse": metrics.root_mean_squared_error(y, p, sample_weight=w),
            "mae": metrics.mean_absolute_error(y, p, sample_weight=w),
            "pinball": metrics.mean_pinball_loss(y, p, sample_weight=w, alpha=case["quantile"]),
        }
        counted = y if w is None else y[w > 0]
        if len(np.unique(counted)) > 1:
            values["r2"] = metrics.r2_score(y, p, sample_weight=w)
        return values
    p, best, classes = case["predictions"], case["best"], np.arange(case["classes"])
    counted = y if w is None else y[w > 0]
    values = {
        "accuracy": metrics.accuracy_score(y, best, sample_weight=w),
        "log_loss": metrics.log_loss(y, p.astype(np.float64), labels=classes, sample_weight=w),
    }
    if len(classes) == 2:
        values["f1"] = metrics.f1_score(y, best, sample_weight=w, zero_division=np.nan)
        if len(np.unique(counted)) == 2:
            values["roc_auc"] = metrics.roc_auc_score(y, p[:, 1], sample_weight=w)
        if (counted == 1).any():
            values["average_precision"] = metrics.average_precision_score(y, p[:, 1], sample_weight=w)
    else:
        values["f1"] = metrics.f1_score(y, best, average="macro", sample_weight=w, zero_division=np.nan)
        if len(np.unique(counted)) == len(classes):
            values["average_precision"] = metrics.average_precision_score(y, p, sample_weight=w)
            values["roc_auc"] = metrics.roc_auc_score(y, p, multi_class="ovr", sample_weight=w)
    return {name: value for name, value in values.items() if not np.isnan(value)}


def check(case, ours):
    theirs = reference(case)
    values = {name: value for name, value in ours.items() if name not in ("rows", "confusion")}
    if set(values) != set(theirs):
        return f"we give {sorted(values)}, scikit-learn {sorted(theirs)}"
    for name, value in theirs.items():
        if not abs(values[name] - value) <= TOLERANCE * max(1.0, abs(value)):
            return f"{name} is {values[name]!r}, scikit-learn's {value!r}"
    if case["classes"] > 0 and theirs:
        matrix = metrics.confusion_matrix(case["truth"], case["best"], labels=range(case["classes"]), sample_weight=case["weight"])
        if not np.allclose(matrix, ours["confusion"], rtol=1e-6):
            return "the confusion matrix differs"
    return None


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program")
    arguments.add_argument("--cases", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(options.seed)
    cases = [random_case(rng) for _ in range(options.cases)]
    plain = [{key: v.ravel().tolist() if isinstance(v, np.ndarray) else v for key, v in case.items()} for case in cases]
    lines = "\n".join(map(json.dumps, plain)) + "\n"
    answers = subprocess.run([options.program], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    failures = 0
    for number, (case, answer) in enumerate(zip(cases, answers, strict=True)):
        if problem := check(case, json.loads(answer)):
            failures += 1
            print(f"case {number} ({len(case['truth'])} rows, {case['classes']} classes): {problem}", file=sys.stderr)
    print(f"metrics: {len(cases) - failures} passed, {failures} failed")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
