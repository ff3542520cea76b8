"""How long does boosting take with two worker processes of one thread each? 1,000,000 × 28, 100 trees, 31 leaves, 255 bins.

Ours are whole processes from Parquet to model file: one of two threads, and a run with workers and a shard. The peers' two
processes hold half of the rows each, in memory already, and are timed from there to the model.
"""

import json
import multiprocessing
import socket
import subprocess
import tempfile
from pathlib import Path

from boosting_fit import TARGET, tables
from common import main, quelea as program, rows_of, timed

PROCESSES = 2


def train(options, *more):
    with tempfile.TemporaryDirectory() as folder:
        command = [program(), "train", "--json", "--data", tables(options)[0], "--target", TARGET, "--model", "gradient-boosting"]
        command += ["--set", "model.n_estimators=100", "--output", Path(folder) / "model.onnx", *more]
        done, seconds = timed(lambda: subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True))
    events = [json.loads(line) for line in done.stdout.splitlines()]
    workers = next((event["workers"] for event in reversed(events) if event["event"] == "workers"), [])
    return {"seconds": seconds, "mb_a_worker": max((worker["bytes"] / 1e6 for worker in workers), default=0.0)}


def alone(options):
    return train(options, "--threads", str(PROCESSES))


def quelea(options):
    return train(options, "--threads", "1", "--workers", str(PROCESSES))


def in_processes(work, options, *more):
    """The longest time of `work` in its processes, each of which is given its place."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        return {"seconds": max(pool.starmap(work, [(place, tables(options)[0], *more) for place in range(PROCESSES)], 1))}


def half(place, table):
    x, y = rows_of(table, TARGET)
    return x[place::PROCESSES].copy(), y[place::PROCESSES].copy()


def free_ports():
    sockets = [socket.socket() for _ in range(PROCESSES)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def lightgbm_part(place, table, ports):
    import lightgbm as lgb

    x, y = half(place, table)
    settings = {"objective": "binary", "num_leaves": 31, "max_bin": 255, "learning_rate": 0.1, "num_threads": 1, "verbose": -1}
    settings |= {"tree_learner": "data", "num_machines": PROCESSES, "local_listen_port": ports[place], "pre_partition": True}
    settings |= {"machines": ",".join(f"127.0.0.1:{port}" for port in ports)}
    return timed(lambda: lgb.train(settings, lgb.Dataset(x, y), 100))[1]


def lightgbm(options):
    return in_processes(lightgbm_part, options, free_ports())


def xgboost_part(place, table, arguments):
    import xgboost as xgb

    x, y = half(place, table)
    settings = {"objective": "binary:logistic", "tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 31, "max_depth": 0}
    settings |= {"max_bin": 255, "learning_rate": 0.1, "nthread": 1}
    with xgb.collective.CommunicatorContext(**arguments):
        return timed(lambda: xgb.train(settings, xgb.QuantileDMatrix(x, y, max_bin=255), 100))[1]


def xgboost(options):
    from xgboost.tracker import RabitTracker

    tracker = RabitTracker(host_ip="127.0.0.1", n_workers=PROCESSES)
    tracker.start()
    return in_processes(xgboost_part, options, tracker.worker_args())


if __name__ == "__main__":
    main(__doc__, {"quelea": quelea, "alone": alone, "lightgbm": lightgbm, "xgboost": xgboost})
