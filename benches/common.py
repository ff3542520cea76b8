"""What all benchmarks share: contenders that run in turn, each in a process of its own, medians, ratios, a table.

A benchmark names its contenders and calls `main`. Without further arguments it runs all of them, round after round, so
that noise meets all alike; `--only NAME` runs one and prints its answer as JSON, which is how the rounds call it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = "quelea"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables that gen_synth.py makes")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="run this contender here and print its answer")
    parser.add_argument("--without", nargs="*", default=[], help="contenders to leave out")
    return parser.parse_args()


def target_folder():
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def quelea():
    """The program."""
    return target_folder() / "quelea"


def library(*words):
    """The answer of the program that times our library in process."""
    done = subprocess.run([target_folder() / "quelea-benches", *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def fit(learner, parameters, table, test, target=None, threads=2, model=None):
    """Fits one of our learners on a table in memory; the answer has seconds, added_bytes and the metrics on `test`."""
    with tempfile.TemporaryDirectory() as scratch:
        keys = {"data.table": str(table), "data.target": target, "model.type": learner, "run.threads": threads}
        keys |= {f"model.{key}": value for key, value in parameters.items()}
        job = Path(scratch) / "job.toml"
        job.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items() if value is not None))
        return library("fit", job, table, test, model or Path(scratch) / "model.onnx")


class Memory:
    """The memory that a block of code adds to this process at its peak, in bytes."""

    def __enter__(self):
        Path("/proc/self/clear_refs").write_text("5")
        self.before = self.status("VmRSS:")
        return self

    def __exit__(self, *_):
        self.added = self.status("VmHWM:") - self.before

    @staticmethod
    def status(key):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def timed(work):
    """What `work` gives, and its seconds."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def rows_of(path, target=None):
    """A Parquet file of numbers as a row-major matrix of 32-bit floats, and its target."""
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    names = [name for name in table.column_names if name != target]
    matrix = np.empty((table.num_rows, len(names)), np.float32)
    for place, name in enumerate(names):
        matrix[:, place] = table[name].to_numpy()
    return matrix, None if target is None else table[target].to_numpy()


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown processor")
    return f"{os.cpu_count()} cores of {model}"


def run_alone(name, options):
    """One contender in a process of its own, with that many threads."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | {key: str(options.threads) for key in variables}
    command = [sys.executable, sys.argv[0], "--data", options.data, "--threads", str(options.threads), "--only", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed")
    return json.loads(done.stdout.splitlines()[-1])


def show(question, answers, measure, ours):
    """A line per contender: medians of all numbers, and the ratio of `measure` to that of the contender in `ours`."""
    medians = {name: {key: statistics.median(a[key] for a in of) for key in of[0]} for name, of in answers.items()}
    print(f"\n{question}\n{machine()}, medians of {len(next(iter(answers.values())))} rounds")
    keys = [key for key in next(iter(medians.values()))]
    print("".join(f"{head:>22}" for head in ["", *keys, "theirs / ours"]))
    for name, values in medians.items():
        against = medians.get(ours.get(name, OURS), {}).get(measure, float("nan"))
        ratio = values[measure] / against
        print(f"{name:>22}" + "".join(f"{values.get(key, float('nan')):>22.6g}" for key in keys) + f"{ratio:>22.2f}")


def main(question, contenders, measure="seconds", ours=None):
    """Runs the contenders, functions from the options to a dictionary of numbers. Ratios are of `measure`, to the contender
    that `ours` names for each; to quelea when left out."""
    options = arguments()
    if options.only:
        print(json.dumps(contenders[options.only](options)))
        return
    names = [name for name in contenders if name not in options.without]
    answers = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            answers[name].append(run_alone(name, options))
    show(question, answers, measure, ours or {})
