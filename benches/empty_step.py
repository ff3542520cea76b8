"""How long is a step of training in which nothing is computed? Workers read rows of a table from shards over rpc, push sums for
them, and all of it is committed: one number, 100 MB of dense rows, and 32 rows of 1,024 numbers out of tables of different sizes
(the synchronous null step of Abadi et al., OSDI 2016, figure 6); and 1,000 rows of 16 numbers, as sparse models have.

Workers and shards are threads of one process, with a thread each, and share its cores.
"""

import functools
import statistics

from common import library, main

# Name: rows of the table, numbers of a row, rows of a step, steps.
SHAPES = {
    "scalar": (1, 1, 1, 300),
    "dense 100 MB": (25_000, 1_000, 25_000, 6),
    "sparse 32 rows, 1 GB": (262_144, 1_024, 32, 300),
    "1,000 rows of 16, 16 MB": (262_144, 16, 1_000, 300),
    "1,000 rows of 16, 1 GB": (16_777_216, 16, 1_000, 300),
    "1,000 rows of 16, 8 GB": (134_217_728, 16, 1_000, 300),
}
WORKERS, SHARDS = (1, 2, 4), 2


def step(shape, workers, shards, _):
    rows, width, keys, steps = SHAPES[shape]
    answer = library("empty", "numbered", workers, shards, rows, width, keys, steps)
    middle = {name: statistics.median(seconds[len(seconds) // 10 :]) * 1e6 for name, seconds in answer.items()}
    return {"step_us": middle["steps"], "read_us": middle["reads"], "push_us": middle["pushes"]}


def name(shape, workers, shards):
    return f"{shape}, {workers} to {shards}"


if __name__ == "__main__":
    sizes = [(shape, workers, SHARDS) for shape in SHAPES for workers in WORKERS] + [(shape, 1, 1) for shape in SHAPES]
    contenders = {name(*size): functools.partial(step, *size) for size in sizes}
    ours = {name(shape, *size): name(shape, 1, 1) for shape, *size in sizes}
    main(__doc__, contenders, measure="step_us", ours=ours)
