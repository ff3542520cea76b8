"""Makes train.parquet and test.parquet beside this file from the pictures that Debian's dataset-fashion-mnist installs.

usage: tables.py [FOLDER]      FOLDER holds the four .gz files; Debian's place when left out
"""
import gzip
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

INSTALLED = "/usr/share/datasets/fashion-mnist"


def read(path):
    """An array of bytes in LeCun's IDX format: two zeros, the type, the rank, the extents, the values."""
    raw = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else INSTALLED)
    for part, name in (("train", "train"), ("t10k", "test")):
        pixels = read(folder / f"{part}-images-idx3-ubyte.gz").reshape(-1, 784)
        labels = read(folder / f"{part}-labels-idx1-ubyte.gz")
        columns = {"label": labels} | {f"px{i}": np.ascontiguousarray(pixels[:, i]) for i in range(784)}
        pq.write_table(pa.table(columns), Path(__file__).parent / f"{name}.parquet", compression="zstd")


if __name__ == "__main__":
    main()
