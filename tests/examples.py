"""Runs every job file under examples/ as a user would: train, evaluate, predict, inspect; compares with ONNX Runtime.

usage: examples.py QUELEA [NAME…]      NAME: only job files whose path contains it
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from cases import run_all

sys.path.insert(0, str(Path(__file__).parent / "onnx_runtime"))
from check_table import check  # noqa: E402

EXAMPLES = Path(__file__).parent.parent / "examples"
# What the test part must reach: the metric, and a bound from below (or, negative, from above).
QUALITY = {
    "adult/job.toml": ("roc_auc", 0.92),
    "adult/checkpoint.toml": ("roc_auc", 0.92),
    "adult/cluster.toml": ("roc_auc", 0.92),
    "adult/quorum.toml": ("roc_auc", 0.88),
    "adult/ssp.toml": ("roc_auc", 0.88),
    "adult/asp.toml": ("roc_auc", 0.88),
    "adult/grpc.toml": ("roc_auc", 0.88),
    "adult/rest.toml": ("roc_auc", 0.88),
    "census/job.toml": ("roc_auc", 0.93),
    "clicks/job.toml": ("roc_auc", 0.78),
    "flights/job.toml": ("mae", -25.0),
    "diamonds/job.toml": ("r2", 0.975),
    "diamonds/upper.toml": ("pinball", -200.0),
    "fashion/job.toml": ("accuracy", 0.83),
}
# A table of the joined columns, where the job reads a query.
SCORED = {"flights/job.toml": "new.parquet"}


def quelea(program, *arguments):
    """The last line of JSON that the program prints."""
    done = subprocess.run([program, *map(str, arguments), "--json"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"quelea {' '.join(map(str, arguments))}: {done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def run(program, job, scratch):
    """One job file; the answer is a line to print."""
    name = str(job.relative_to(EXAMPLES))
    data = tomllib.loads(job.read_text())["data"]
    scored = job.parent / SCORED.get(name, data.get("table", ""))
    model, predictions = scratch / "model.onnx", scratch / "predictions.parquet"
    trained = quelea(program, "train", job, "--set", f"output.model={model}")
    summary = []
    if name in QUALITY:
        metric, bound = QUALITY[name]
        value = trained["metrics"]["test"][metric]
        assert value >= bound if bound > 0 else value <= -bound, f"{metric} is {value}"
        summary.append(f"{metric} {value:.4f}")
    quelea(program, "evaluate", model, scored)
    quelea(program, "inspect", model)
    quelea(program, "predict", model, scored, "--output", predictions)
    rows, worst = check(model, scored, predictions)
    summary.append(f"{rows} predictions within {worst:.0e} of ONNX Runtime's")
    return ", ".join(summary)


def main():
    program, names = Path(sys.argv[1]).resolve(), sys.argv[2:]
    jobs = [job for job in sorted(EXAMPLES.glob("*/*.toml")) if not names or any(name in str(job) for name in names)]
    run_all("examples", [(str(job.relative_to(EXAMPLES)), lambda scratch, job=job: run(program, job, scratch)) for job in jobs])


if __name__ == "__main__":
    main()
