"""Compares the predictions that `quelea predict` wrote for a table with ONNX Runtime's on the raw table.

usage: check_table.py MODEL TABLE PREDICTIONS      TABLE and PREDICTIONS are Parquet files
"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from compare import TOLERANCE, outputs, same_labels, session, within

CHUNK_ROWS = 50_000
NO_TIME = np.iinfo(np.int64).min
# A row between two centres may belong to either; more than these few would be a mistake.
MOST_MOVED = 1e-3


def numbers(column):
    """Floats with NaN for nulls."""
    if pa.types.is_decimal(column.type) or pa.types.is_boolean(column.type):
        column = column.cast(pa.float64() if pa.types.is_decimal(column.type) else pa.uint8())
    return column.to_numpy(zero_copy_only=False).astype(np.float64).astype(np.float32)


def texts(column):
    """Strings with "" for nulls."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return np.asarray(pc.fill_null(column.cast(pa.string()), "").to_pylist(), dtype=object)


def moments(column):
    """Microseconds since 1970 with the smallest integer for nulls."""
    zone = getattr(column.type, "tz", None)
    micros = column.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
    return pc.fill_null(micros, NO_TIME).to_numpy(zero_copy_only=False)


def padded(column, padding, dtype, of=lambda items: items):
    """Lists as an array as wide as the longest; `of` picks what is wanted of the items."""
    lists = [[] if v is None else list(v) for v in column.to_pylist()]
    width = max(map(len, lists), default=0)
    return np.asarray([[of(v) for v in items] + [padding] * (width - len(items)) for items in lists], dtype=dtype).reshape(-1, width)


def sparse(column, part):
    """The indices or the values of a column of lists: indices, pairs, or numbers for every index."""
    items = column.type.value_type if hasattr(column.type, "value_type") else None
    if pa.types.is_map(column.type) or pa.types.is_struct(items):
        pick = (lambda v: v[part]) if pa.types.is_map(column.type) else (lambda v: list(v.values())[part])
        return padded(column, [-1, 0][part], [np.int64, np.float32][part], pick)
    if pa.types.is_integer(items) and not pa.types.is_fixed_size_list(column.type):
        return padded(column, -1, np.int64) if part == 0 else padded(column, 0, np.float32, lambda _: 1)
    values = padded(column, 0, np.float32)
    return values if part == 1 else np.broadcast_to(np.arange(values.shape[1]), values.shape).astype(np.int64)


def raw(model, table):
    """The table's columns as the model's inputs."""
    convert = {"tensor(float)": numbers, "tensor(string)": texts, "tensor(int64)": moments}

    def of(name, kind):
        if name in table.column_names:
            column = table[name].combine_chunks()
            is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
            return padded(column, "", object, lambda v: v or "") if is_list else convert[kind](column)
        column, part = name.rsplit(".", 1)
        return sparse(table[column].combine_chunks(), ["indices", "values"].index(part))

    return {i.name: of(i.name, i.type) for i in model.get_inputs()}


def difference(theirs, ours):
    """The largest difference in units of the value's size; raises where labels or clusters are others."""
    if "prediction" in theirs:
        return within(ours["prediction"], theirs["prediction"])
    if "distance" in theirs:
        moved = np.mean(ours["cluster"].to_numpy() != theirs["cluster"].ravel())
        assert moved <= MOST_MOVED, f"{moved:.2%} of the rows are in another cluster"
        return within(ours["distance"], theirs["distance"])
    names = [name for name in ours.column_names if name.startswith("probability_")]
    assert len(names) == theirs["probabilities"].shape[1], "there are other classes"
    probabilities = np.column_stack([ours[name].to_numpy() for name in names])
    labels, best = np.unique(np.asarray(ours["prediction"].to_pylist(), dtype=object), return_inverse=True)
    assert same_labels(best, labels, theirs["label"].ravel(), probabilities), "a label differs"
    return within(probabilities, theirs["probabilities"])


def check(model_path, table_path, predictions_path):
    """The number of rows and the largest difference; raises where something else is wrong."""
    model = session(model_path)
    table, predictions = pq.read_table(table_path), pq.read_table(predictions_path)
    assert table.num_rows == predictions.num_rows, f"{predictions.num_rows} predictions for {table.num_rows} rows"
    worst = 0.0
    for start in range(0, table.num_rows, CHUNK_ROWS):
        theirs = outputs(model, raw(model, table.slice(start, CHUNK_ROWS)))
        worst = max(worst, difference(theirs, predictions.slice(start, CHUNK_ROWS)))
    assert worst <= TOLERANCE, f"values differ by {worst:.1e} of their size"
    return table.num_rows, worst


if __name__ == "__main__":
    rows, worst = check(*sys.argv[1:])
    print(f"{rows} rows, largest difference {worst:.1e} of the value's size")
