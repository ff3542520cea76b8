"""How long do three workers take in each mode of synchronisation when one of them is slowed three times? Two epochs over a click
table of 1,000,000 rows and 1,000,000 columns; whole processes from Parquet to model file, with the AUC on test rows.

The slow worker is stopped for two thirds of the time, in turns of a few milliseconds.
"""

import json
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from common import main, quelea as program, timed
from ctr_fit import lists

TURN = 0.01
MODES = {"bsp": [], "quorum": ["sync.quorum=2"], "ssp": ["sync.staleness=3"], "asp": []}


def slow_down(process, over):
    while not over.wait(TURN) and process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        time.sleep(2 * TURN)
        process.send_signal(signal.SIGCONT)


def train(options, mode, is_slow):
    with tempfile.TemporaryDirectory() as folder:
        command = [program(), "train", "--json", "--data", lists(options), "--target", "click", "--output", Path(folder) / "model.onnx"]
        command += ["--model", "sparse-logistic-regression", "--threads", "1", "--workers", "0"]
        keys = ["model.epochs=2", "cluster.shards=1", f"data.test={json.dumps(str(lists(options, '_test')))}", f"sync.mode={mode}", *MODES[mode]]
        command += [word for key in keys for word in ("--set", key)]
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        events, workers, over = [], [], threading.Event()
        for line in run.stdout:
            events.append(event := json.loads(line))
            if "--run" in event.get("message", "") and not workers:
                url = event["message"].split("--run ")[1].rstrip("`")
                workers = [subprocess.Popen([program(), "worker", "--run", url, "--threads", "1"], stderr=subprocess.DEVNULL) for _ in range(3)]
                if is_slow:
                    threading.Thread(target=slow_down, args=(workers[0], over), daemon=True).start()
        over.set()
        if run.wait() != 0:
            raise SystemExit(f"the run ended with {run.returncode}")
        for worker in workers:
            worker.send_signal(signal.SIGCONT)
            worker.wait()
    trained = next(event for event in reversed(events) if event["event"] == "trained")
    return trained["metrics"]["test"]["roc_auc"]


def contender(mode, is_slow):
    def run(options):
        auc, seconds = timed(lambda: train(options, mode, is_slow))
        return {"seconds": seconds, "auc": auc}

    return run


CONTENDERS = {f"{mode}{' slowed' if is_slow else ''}": contender(mode, is_slow) for mode in MODES for is_slow in (False, True)}

if __name__ == "__main__":
    main(__doc__, {"quelea": CONTENDERS["bsp"], **CONTENDERS})
