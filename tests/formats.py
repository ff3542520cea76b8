"""Trains on random tables and scores their rows as CSV, as Parquet of several types and with ONNX Runtime: the same rows
give the same predictions, whatever carries them.

usage: formats.py QUELEA [COUNT] [FIRST]      COUNT tables (10), the first of which is drawn from the seed FIRST (0)
"""

import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from cases import run_all
from examples import quelea

sys.path.insert(0, str(Path(__file__).parent / "onnx_runtime"))
from check_table import check  # noqa: E402

ROWS = 400
NULL_VALUES = ["?", "-999.0", "1900-01-01", "none"]
LEARNERS = [["gradient-boosting", "--set", "model.min_data_per_group=1", "--set", "model.n_estimators=10"], ["logistic-regression"]]


class Tables:
    """One table in several formats."""

    def __init__(self, rng, folder):
        self.folder = folder
        self.columns = {
            "number": sometimes(rng, rng.normal(size=ROWS).round(3), -999.0),
            "count": sometimes(rng, rng.integers(0, 9, ROWS).astype(object), -999),
            "flag": sometimes(rng, rng.random(ROWS) < 0.5),
            "code": sometimes(rng, rng.integers(0, 6, ROWS).astype(object), -999),
            "switch": sometimes(rng, rng.random(ROWS) < 0.3),
            "text": sometimes(rng, rng.choice(["NA", "null", "nan", "01", "1", "True", "red wine"], ROWS).astype(object), "none"),
            "day": sometimes(rng, pd.Timestamp("2020-02-27") + pd.to_timedelta(rng.integers(0, 900, ROWS), unit="h"), pd.Timestamp("1900-01-01")),
            "moment": sometimes(rng, pd.Timestamp("2020-02-27T00:00:01") + pd.to_timedelta(rng.integers(0, 900, ROWS), unit="h")),
        }
        self.columns["target"] = self.target(rng)
        self.names = [self.parquet("typed"), self.parquet("wide"), self.csv("pandas"), self.csv("plain"), self.csv("loud")]

    def target(self, rng):
        """Two classes that depend on every column, missing values too."""
        score = rng.normal(size=ROWS) * 0.3
        for values in self.columns.values():
            known = {value: rng.normal() for value in sorted({str(value) for value in values})}
            score += [known[str(value)] for value in values]
        return list(score > np.median(score))

    def parquet(self, name):
        """The columns with types of their own, or others that hold the same values: floats, decimals, dictionaries."""
        wide = name == "wide"
        types = {
            "number": pa.float64() if not wide else pa.decimal128(12, 4),
            "count": pa.int16() if not wide else pa.float64(),
            "flag": pa.bool_(),
            "code": pa.int64() if not wide else pa.float64(),
            "switch": pa.bool_(),
            "text": pa.string() if not wide else pa.dictionary(pa.int8(), pa.large_string()),
            "day": pa.timestamp("us") if not wide else pa.timestamp("ms"),
            "moment": pa.timestamp("s", "UTC") if not wide else pa.timestamp("ns", "Asia/Tokyo"),
            "target": pa.bool_(),
        }
        arrays = {column: array(values, types[column]) for column, values in self.columns.items()}
        pq.write_table(pa.table(arrays), self.folder / f"{name}.parquet", row_group_size=150)
        return f"{name}.parquet"

    def csv(self, name):
        """As pandas writes them with a missing value in every column, without needless letters, or with all that are possible."""
        write = {
            "pandas": {int: "{}.0", float: "{}", bool: "{}", pd.Timestamp: "{:%Y-%m-%d %H:%M:%S}"},
            "plain": {int: "{}", float: "{:g}", bool: "{:d}", pd.Timestamp: "{:%Y-%m-%dT%H:%M:%S}"},
            "loud": {int: "{:03}", float: "{:.6e}", bool: "{}", pd.Timestamp: "{:%Y-%m-%d %H:%M:%S.000000}"},
        }[name]

        def cell(column, value):
            if value is None:
                return "?" if name == "loud" else ""
            kind = bool if isinstance(value, (bool, np.bool_)) else int if isinstance(value, (int, np.integer)) else type(value)
            kind = float if isinstance(value, (float, np.floating)) else kind
            text = write.get(kind, "{}").format(value)
            if kind is int and value < 0:
                text = str(value)
            if kind is bool:
                text = str(bool(value)).upper() if name == "loud" else str(bool(value)).lower() if name == "plain" else str(bool(value))
            return text + ("Z" if column == "moment" else "")

        lines = [",".join(cell(column, values[row]) for column, values in self.columns.items()) for row in range(ROWS)]
        (self.folder / f"{name}.csv").write_text("\n".join([",".join(self.columns), *lines]) + "\n")
        return f"{name}.csv"


def sometimes(rng, values, marker=None):
    """The values with a few that are missing: none, or the marker of one."""
    values = list(values)
    for row in rng.choice(len(values), len(values) // 8, replace=False):
        values[row] = marker if marker is not None and rng.random() < 0.5 else None
    return values


def array(values, data_type):
    """An Arrow array, by way of one that pyarrow can make of these values."""
    if pa.types.is_timestamp(data_type):
        naive = pa.array(values, pa.timestamp("ns"))
        return naive.cast(pa.timestamp("ns", "UTC")).cast(data_type) if data_type.tz else naive.cast(data_type)
    if pa.types.is_decimal(data_type):
        return pa.array([None if value is None else Decimal(str(value)) for value in values], data_type)
    if pa.types.is_floating(data_type):
        return pa.array([None if value is None else float(value) for value in values], data_type)
    return pa.array(values).cast(data_type)


def run(program, seed, folder):
    """One table; the answer is a line to print."""
    tables = Tables(np.random.default_rng(seed), folder)
    learner, *settings = LEARNERS[seed % len(LEARNERS)]
    categories = ["switch", "code"][: 1 + seed // 2 % 2]
    queries = {f"sql over {name}": name for name in ["typed.parquet", "wide.parquet", "plain.csv"]}
    options = ["--target", "target", "--model", learner, *settings, "--set", f"data.null_values={NULL_VALUES!r}", "--set", f"data.categories={categories!r}"]
    expected, worst = None, 0.0
    for trained in [*tables.names, *queries]:
        model = folder / f"{trained.replace('/', '_')}.onnx"
        query = ["--set", "data.query=SELECT * FROM t", "--set", f"data.tables.t={folder / queries[trained]}"] if trained in queries else []
        table = query or ["--data", folder / trained]
        quelea(program, "train", *table, *options, "--output", model)
        # Zeros before a category's digits are known to the models alone that were trained on them.
        for scored in [name for name in tables.names if name in (trained, *tables.names[:-1])]:
            predictions = folder / "predictions.parquet"
            quelea(program, "predict", model, folder / scored, "--output", predictions)
            found = pq.read_table(predictions)
            expected = found if expected is None else expected
            assert found.equals(expected), f"trained on {trained}, scored {scored}: other predictions"
            if scored.endswith(".parquet"):
                worst = max(worst, check(model, folder / scored, predictions)[1])
    return f"{learner}: {len(tables.names)} files alike, within {worst:.0e} of ONNX Runtime"


def main():
    program = Path(sys.argv[1]).resolve()
    count, first = (int(sys.argv[at]) if len(sys.argv) > at else default for at, default in [(2, 10), (3, 0)])
    run_all("formats", [(f"seed {seed}", lambda folder, seed=seed: run(program, seed, folder)) for seed in range(first, first + count)])


if __name__ == "__main__":
    main()
