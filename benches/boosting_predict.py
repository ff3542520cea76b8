"""How long does it take to predict 1,000,000 rows in memory with a boosted model of 100 trees of 31 leaves?"""

import statistics

import models
from boosting_fit import TARGET
from common import library, main, rows_of, timed

REPEATS = 7


def median(predict):
    return {"seconds": statistics.median(timed(predict)[1] for _ in range(REPEATS))}


def quelea(options):
    answer = library("predict", models.onnx(options), models.table(options), options.threads, REPEATS)
    return {"seconds": statistics.median(answer["seconds"])}


def lightgbm(options):
    model, (x, _) = models.lightgbm(options), rows_of(models.table(options), TARGET)
    return median(lambda: model.predict(x, num_threads=options.threads))


def xgboost(options):
    model, (x, _) = models.xgboost(options), rows_of(models.table(options), TARGET)
    return median(lambda: model.inplace_predict(x))


def onnx_runtime(options):
    session, (x, _) = models.session(options, options.threads), rows_of(models.table(options), TARGET)
    feed = {i.name: x[:, place : place + 1].copy() for place, i in enumerate(session.get_inputs())}
    return median(lambda: session.run(None, feed))


if __name__ == "__main__":
    main(__doc__, {"quelea": quelea, "lightgbm": lightgbm, "xgboost": xgboost, "onnx runtime": onnx_runtime})
