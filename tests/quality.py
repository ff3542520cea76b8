"""Compares the quality of our models with LightGBM's and scikit-learn's: the same rows of the examples' tables to train
and to test on, the same settings.

usage: quality.py QUELEA [NAME…]      NAME: only comparisons whose name contains it
"""

import sys
import tomllib
from pathlib import Path

import lightgbm
import numpy as np
import onnx
import pandas as pd
from cases import run_all
from examples import EXAMPLES, quelea
from onnx import numpy_helper
from sklearn import metrics
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler

# How much worse than the reference a metric may be: a difference, or a part of the reference's value.
ALLOWED = {"roc_auc": ("difference", 0.002), "log_loss": ("difference", 1e-3), "rmse": ("part", 0.02), "mae": ("part", 0.02)}
CLUSTERS = 20
INERTIA_PART, SAME_INERTIA = 0.05, 1e-6
TREES = {"n_estimators": 100, "learning_rate": 0.1, "num_leaves": 31}


class Data:
    """An example's table: rows to train and to test on, the target, its weight, and which columns are categories."""

    def __init__(self, example, ignore=(), categories=()):
        job = tomllib.loads((EXAMPLES / example / "job.toml").read_text())["data"]
        self.target, self.weight = job["target"], job.get("weight")
        self.train, self.test = (table.drop(columns=[*job.get("ignore", []), *ignore]) for table in tables(EXAMPLES / example, job))
        codes = {*job.get("categories", []), *categories}
        for table in (self.train, self.test):
            for column in codes:
                table[column] = table[column].astype("Int64").astype(str)
        texts = set(self.train.select_dtypes(include=["object", "str"]).columns)
        for table in (self.train, self.test):
            for column in texts:
                table[column] = table[column].where(~table[column].isin(job.get("null_values", [])), None)
        self.inputs = [column for column in self.train.columns if column not in (self.target, self.weight)]
        self.categories = [column for column in self.inputs if column in texts]
        self.numbers = [column for column in self.inputs if column not in texts]

    def part(self, table):
        """Inputs, truth and weights of `table`; numbers as 32-bit floats, times as seconds."""
        inputs = table[self.inputs].copy()
        for column in self.numbers:
            values = inputs[column]
            times = pd.api.types.is_datetime64_any_dtype(values)
            inputs[column] = (values.astype("int64") / 1e6 if times else values).astype("float32")
        return inputs, table[self.target].to_numpy(), None if self.weight is None else table[self.weight].to_numpy("float32")

    def ours(self, program, scratch, learner, **settings):
        """The test metrics of our model."""
        self.train.to_parquet(scratch / "train.parquet", index=False)
        self.test.to_parquet(scratch / "test.parquet", index=False)
        keys = {"data.test": scratch / "test.parquet", "output.model": scratch / "model.onnx"}
        keys |= {f"model.{key}": value for key, value in settings.items()}
        if self.weight is not None:
            keys["data.weight"] = self.weight
        sets = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
        trained = quelea(program, "train", "--data", scratch / "train.parquet", "--target", self.target, "--model", learner, *sets)
        return trained["metrics"]["test"]


def tables(folder, job):
    """The rows to train and to test on: two files, or every fifth row of one to test on."""
    if "query" in job:
        rows, weather = (pd.read_parquet(folder / name) for name in ("flights.parquet", "weather.parquet"))
        columns = ["carrier", "flight", "origin", "dest", "distance", "sched_dep_time", "sched_arr_time", "time_hour"]
        rows = rows.dropna(subset="arr_delay")[["id", "arr_delay", *columns]]
        whole = rows.merge(weather, on=["origin", "time_hour"], how="left").sort_values("id")
    elif "test" in job and isinstance(job["test"], str):
        return pd.read_parquet(folder / job["table"]), pd.read_parquet(folder / job["test"])
    else:
        whole = pd.read_parquet(folder / job["table"])
    tested = np.random.default_rng(1).random(len(whole)) < 0.2
    return whole[~tested].copy(), whole[tested].copy()


def scores(truth, predictions, weight):
    """scikit-learn's metrics under our names."""
    if predictions.ndim == 2:
        positive = predictions[:, 1]
        return {
            "roc_auc": metrics.roc_auc_score(truth, positive, sample_weight=weight),
            "log_loss": metrics.log_loss(truth, predictions, sample_weight=weight),
        }
    return {
        "rmse": metrics.root_mean_squared_error(truth, predictions, sample_weight=weight),
        "mae": metrics.mean_absolute_error(truth, predictions, sample_weight=weight),
    }


def compare(metric, ours, theirs):
    """A line to print; raises where ours is worse than theirs by more than is allowed."""
    kind, allowed = ALLOWED[metric]
    worse = theirs[metric] - ours[metric] if metric == "roc_auc" else ours[metric] - theirs[metric]
    if kind == "part":
        worse /= theirs[metric]
    line = f"{metric} {ours[metric]:.5f}, reference {theirs[metric]:.5f}"
    assert worse <= allowed, f"{line}: worse by more than {allowed}"
    return line


def boosting(program, scratch, data, metric, objective=None):
    """Against LightGBM."""
    settings = TREES if objective is None else TREES | {"objective": objective}
    ours = data.ours(program, scratch, "gradient-boosting", **settings)
    (x, y, weight), (x_test, y_test, weight_test) = data.part(data.train), data.part(data.test)
    for column in data.categories:
        known = sorted(x[column].dropna().unique())
        x[column], x_test[column] = (pd.Categorical(table[column].where(table[column].isin(known)), known) for table in (x, x_test))
    common = TREES | {"n_jobs": 2, "verbose": -1, "deterministic": True, "force_col_wise": True}
    if metric == "roc_auc":
        predicted = lightgbm.LGBMClassifier(**common).fit(x, y, weight).predict_proba(x_test)
    else:
        loss = "regression_l1" if objective == "absolute_error" else "regression"
        predicted = lightgbm.LGBMRegressor(objective=loss, **common).fit(x, y, weight).predict(x_test)
    return compare(metric, ours, scores(y_test, predicted, weight_test))


def logistic(program, scratch, data):
    """Against scikit-learn's optimum of the same penalised loss over the same encoding, found far more exactly."""
    ours = data.ours(program, scratch, "logistic-regression", C=1.0, tol=1e-7, max_iter=1000)
    (x, y, weight), (x_test, y_test, weight_test) = data.part(data.train), data.part(data.test)
    numbers = x[data.numbers].astype("float64")
    scaler = StandardScaler().fit(numbers.fillna(numbers.mean()), sample_weight=weight)
    assert not numbers.isna().any().any(), "the encoding below has no column for missing numbers"
    encoder = OneHotEncoder(handle_unknown="ignore").fit(x[data.categories])

    def encode(x):
        return np.hstack([scaler.transform(x[data.numbers].astype("float64")), encoder.transform(x[data.categories]).toarray()])

    model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-8, max_iter=1000).fit(encode(x), y, weight)
    theirs = scores(y_test, model.predict_proba(encode(x_test)), weight_test)
    difference = abs(ours["log_loss"] - theirs["log_loss"])
    assert difference <= ALLOWED["log_loss"][1], f"log_loss {ours['log_loss']}, reference {theirs['log_loss']}"
    return compare("log_loss", ours, theirs)


def clusters(program, scratch):
    """Against scikit-learn's k-means, and its distances to our centres."""
    numbers = pd.read_parquet(EXAMPLES / "diamonds" / "diamonds.parquet").select_dtypes("number").astype("float32")
    numbers.to_parquet(scratch / "numbers.parquet", index=False)
    sets = ["--set", f"model.n_clusters={CLUSTERS}", "--set", f"output.model={scratch / 'model.onnx'}"]
    trained = quelea(program, "train", "--data", scratch / "numbers.parquet", "--model", "k-means", *sets)
    ours = trained["metrics"]["train"]["inertia"]
    parts = {part.name: numpy_helper.to_array(part) for part in onnx.load(scratch / "model.onnx").graph.initializer}
    points = (numbers.to_numpy("float64") - parts["/center"]) * parts["/scale"]
    _, distances = metrics.pairwise_distances_argmin_min(points, parts["/centers"].astype("float64"))
    same = (distances**2).sum()
    assert abs(ours - same) <= SAME_INERTIA * same, f"inertia {ours}, scikit-learn's for the same centres {same}"
    theirs = KMeans(CLUSTERS, n_init=1, random_state=0).fit(points).inertia_
    line = f"inertia {ours:.1f}, reference {theirs:.1f}"
    assert ours <= (1 + INERTIA_PART) * theirs, f"{line}: worse by more than {INERTIA_PART}"
    return line


def comparisons():
    """Every comparison by name, as a function of the program and a folder to write in."""
    return {
        "boosting on adult": lambda *where: boosting(*where, Data("adult"), "roc_auc"),
        "boosting on census": lambda *where: boosting(*where, Data("census"), "roc_auc"),
        "boosting on diamonds": lambda *where: boosting(*where, Data("diamonds"), "rmse"),
        "boosting on flights": lambda *where: boosting(*where, Data("flights"), "mae", "absolute_error"),
        "logistic regression on adult": lambda *where: logistic(*where, Data("adult")),
        "logistic regression on census": lambda *where: logistic(*where, Data("census")),
        "k-means on diamonds": clusters,
    }


def main():
    program, names = Path(sys.argv[1]).resolve(), sys.argv[2:]
    chosen = {name: run for name, run in comparisons().items() if not names or any(part in name for part in names)}
    run_all("quality", [(name, lambda scratch, run=run: run(program, scratch)) for name, run in chosen.items()])


if __name__ == "__main__":
    main()
