"""How many bytes do two workers exchange with a parameter shard, and what is the model worth, when they leave out some of what they
send? Two epochs over a click table of 1,000,000 rows and 1,000,000 columns, with everybody waiting for everybody and with nobody
waiting; bytes are those of one worker and epoch, the AUC is that of the model on test rows.
"""

import json
import subprocess
import tempfile
from pathlib import Path

from common import main, quelea as program, timed
from ctr_fit import lists

WORKERS, EPOCHS = 2, 2
LESS = {
    "all": {},
    "16 bits": {"bits": 16},
    "8 bits": {"bits": 8},
    "top_k 0.1": {"top_k": 0.1},
    "top_k 0.1, 8 bits": {"top_k": 0.1, "bits": 8},
    "significance_filter": {"significance_filter": 1e-3},
}


def train(options, mode, less):
    with tempfile.TemporaryDirectory() as folder:
        command = [program(), "train", "--json", "--data", lists(options), "--target", "click", "--output", Path(folder) / "model.onnx"]
        command += ["--model", "sparse-logistic-regression", "--threads", "1", "--workers", str(WORKERS)]
        keys = [f"model.epochs={EPOCHS}", "model.tol=0", f"data.test={json.dumps(str(lists(options, '_test')))}", f"sync.mode={mode}"]
        keys += [f"compression.{key}={value}" for key, value in less.items()]
        command += [word for key in keys for word in ("--set", key)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    workers = next(event["workers"] for event in reversed(events) if event["event"] == "workers")
    return sum(worker["bytes"] for worker in workers) / WORKERS / EPOCHS, events[-1]["metrics"]["test"]["roc_auc"]


def contender(mode, less):
    def run(options):
        (size, auc), seconds = timed(lambda: train(options, mode, less))
        return {"megabytes": size / 1e6, "auc": auc, "seconds": seconds}

    return run


CONTENDERS = {f"{mode}, {name}": contender(mode, less) for mode in ("bsp", "asp") for name, less in LESS.items()}

if __name__ == "__main__":
    ours = {name: f"{name.split(', ')[0]}, all" for name in CONTENDERS}
    main(__doc__, CONTENDERS, measure="megabytes", ours=ours)
