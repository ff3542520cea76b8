"""How long does one prediction take in process, one row at a time (median)? A boosted model of 100 trees of 31 leaves.

The peers are called through their Python packages, with arguments made beforehand, on one thread; ours in Rust. LightGBM runs
twice: as its package does it, and by the C function for single rows that the package carries but does not wrap.
"""

import ctypes
import statistics
import time

import models
import numpy as np
from boosting_fit import TARGET
from common import library, main, rows_of

ROWS = 5_000


def p50(call):
    """The median over rows of the microseconds of `call(row)`, after as many to warm up."""
    taken = []
    for row in [*range(ROWS)] * 2:
        start = time.perf_counter_ns()
        call(row)
        taken.append(time.perf_counter_ns() - start)
    return {"microseconds": statistics.median(taken[ROWS:]) / 1e3}


def quelea(options):
    answer = library("one-row", models.onnx(options), models.table(options), ROWS)
    return {"microseconds": statistics.median(answer["seconds"]) * 1e6}


def onnx_runtime(options):
    session, (x, _) = models.session(options, 1), rows_of(models.table(options), TARGET)
    names = [i.name for i in session.get_inputs()]
    feeds = [{name: x[row : row + 1, place : place + 1].copy() for place, name in enumerate(names)} for row in range(ROWS)]
    return p50(lambda row: session.run(None, feeds[row]))


def lightgbm(options):
    model, (x, _) = models.lightgbm(options), rows_of(models.table(options), TARGET)
    return p50(lambda row: model.predict(x[row : row + 1], num_threads=1))


def lightgbm_in_c(options):
    from lightgbm.basic import _LIB

    model, (x, _) = models.lightgbm(options), rows_of(models.table(options), TARGET)
    config, length, result = ctypes.c_void_p(), ctypes.c_int64(), np.empty(1)
    arguments = (model._handle, 0, 0, -1, 0, x.shape[1], b"num_threads=1", ctypes.byref(config))
    assert _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(*arguments) == 0
    out = result.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
    rows = [x[row].ctypes.data_as(ctypes.c_void_p) for row in range(ROWS)]
    return p50(lambda row: _LIB.LGBM_BoosterPredictForMatSingleRowFast(config, rows[row], ctypes.byref(length), out))


if __name__ == "__main__":
    main(__doc__, {"quelea": quelea, "onnx runtime": onnx_runtime, "lightgbm": lightgbm, "lightgbm in C": lightgbm_in_c}, measure="microseconds")
