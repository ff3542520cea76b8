"""Trains every learner on every shared table, predicts, and compares with ONNX Runtime on the same file.

usage: run_tables.py QUELEA FOLDER      FOLDER holds the tables under the names below; those that it lacks are left out
"""

import subprocess
import sys
from pathlib import Path

from check_table import check

sys.path.append(str(Path(__file__).resolve().parents[1]))
from cases import run_all

BOOSTING = ["--model", "gradient-boosting", "--set", "model.n_estimators=20"]
LOGISTIC = ["--model", "logistic-regression", "--set", "model.max_iter=20"]
CLUSTERS = ["--model", "k-means", "--set", "model.max_iter=10"]


def target(column, *learner):
    return ["--target", column, *learner]


def ignoring(columns, *learner):
    return ["--set", f"data.ignore={columns!r}", *learner]


UNKNOWN = ["--set", 'data.null_values=["?"]']
LATE = ["dep_time", "dep_delay", "arr_time", "air_time"]
# The table, the table to score, the options of `quelea train`.
CASES = [
    ("adult", "adult", target("salary", *BOOSTING)),
    ("adult", "adult", target("salary", *LOGISTIC)),
    ("adult", "adult", ignoring(["salary"], *CLUSTERS)),
    ("adult_raw_train", "adult_raw_train", [*UNKNOWN, *target("income_gt_50k", *BOOSTING)]),
    ("adult_raw_train", "adult_raw_train", [*UNKNOWN, *target("income_gt_50k", *LOGISTIC)]),
    ("adult_raw_train", "adult_raw_train", [*UNKNOWN, *target("workclass", *BOOSTING)]),
    ("census_kdd_train", "census_kdd_test", [*UNKNOWN, "--set", "data.weight=instance_weight", *target("income_gt_50k", *BOOSTING)]),
    ("census_kdd_train", "census_kdd_test", [*UNKNOWN, *target("income_gt_50k", *LOGISTIC)]),
    ("census_kdd_train", "census_kdd_test", [*UNKNOWN, *ignoring(["income_gt_50k"], *CLUSTERS)]),
    ("nycflights13_flights", "nycflights13_flights", ignoring([*LATE, "arr_delay"], *CLUSTERS)),
    ("nycflights13_flights", "nycflights13_flights", ignoring(LATE, *target("origin", *LOGISTIC))),
    ("nycflights13_weather", "nycflights13_weather", [*ignoring(["dewp"], *CLUSTERS)]),
    ("nycflights13_flights", "nycflights13_flights", ignoring(LATE, *target("arr_delay", *BOOSTING))),
    ("nycflights13_weather", "nycflights13_weather", target("origin", *BOOSTING)),
    ("nycflights13_weather", "nycflights13_weather", target("temp", *BOOSTING, "--set", "model.objective=absolute_error")),
    ("diamonds", "diamonds", target("price", *BOOSTING)),
    ("diamonds", "diamonds", target("price", *BOOSTING, "--set", "model.objective=absolute_error")),
    ("diamonds", "diamonds", target("price", *BOOSTING, "--set", "model.objective=quantile", "--set", "model.alpha=0.1")),
    ("diamonds", "diamonds", target("cut", *BOOSTING)),
    ("diamonds", "diamonds", target("cut", *LOGISTIC)),
    ("diamonds", "diamonds", ignoring(["price"], *CLUSTERS)),
    ("fashion_mnist_train", "fashion_mnist_test", target("label", *BOOSTING, "--set", "model.n_estimators=5")),
    ("fashion_mnist_train", "fashion_mnist_test", target("label", *LOGISTIC)),
    ("fashion_mnist_train", "fashion_mnist_test", ignoring(["label"], *CLUSTERS)),
]


def run(quelea, folder, case, scratch):
    """Trains, predicts and compares one case."""
    table, scored, options = case
    model, predictions = scratch / "model.onnx", scratch / "predictions.parquet"
    train = [quelea, "train", "--data", folder / f"{table}.parquet", "--output", model, *options]
    predict = [quelea, "predict", model, folder / f"{scored}.parquet", "--output", predictions]
    for command in (train, predict):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stderr}"
    rows, worst = check(model, folder / f"{scored}.parquet", predictions)
    return f"{rows} rows, largest difference {worst:.1e} of the value's size"


def main():
    quelea, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    cases = [case for case in CASES if all((folder / f"{name}.parquet").exists() for name in case[:2])]
    run_all("tables", [(f"{case[0]} {' '.join(case[2])}", lambda scratch, case=case: run(quelea, folder, case, scratch)) for case in cases])


if __name__ == "__main__":
    main()
