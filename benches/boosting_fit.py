"""How long does boosting take to fit? 1,000,000 × 28, 100 trees, 31 leaves, 255 bins; binning included, data in memory."""

from common import Memory, fit, main, rows_of, timed

TARGET = "label"


def tables(options):
    return options.data / "higgs_1000000.parquet", options.data / "higgs_1000000_test.parquet"


def quality(test, predict):
    from sklearn.metrics import roc_auc_score

    x, y = rows_of(test, TARGET)
    return roc_auc_score(y, predict(x))


def quelea(options):
    table, test = tables(options)
    answer = fit("gradient-boosting", {"n_estimators": 100, "num_leaves": 31, "max_bin": 255}, table, test, TARGET, options.threads)
    return {"seconds": answer["seconds"], "added_mb": answer["added_bytes"] / 1e6, "auc": answer["metrics"]["roc_auc"]}


def lightgbm(options):
    import lightgbm as lgb

    table, test = tables(options)
    x, y = rows_of(table, TARGET)
    settings = {"objective": "binary", "num_leaves": 31, "max_bin": 255, "learning_rate": 0.1, "num_threads": options.threads, "verbose": -1}
    with Memory() as memory:
        model, seconds = timed(lambda: lgb.train(settings, lgb.Dataset(x, y), 100))
    return {"seconds": seconds, "added_mb": memory.added / 1e6, "auc": quality(test, model.predict)}


def xgboost(options):
    import xgboost as xgb

    table, test = tables(options)
    x, y = rows_of(table, TARGET)
    settings = {"objective": "binary:logistic", "tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 31, "max_depth": 0}
    settings |= {"max_bin": 255, "learning_rate": 0.1, "nthread": options.threads}
    with Memory() as memory:
        model, seconds = timed(lambda: xgb.train(settings, xgb.QuantileDMatrix(x, y, max_bin=255), 100))
    return {"seconds": seconds, "added_mb": memory.added / 1e6, "auc": quality(test, model.inplace_predict)}


if __name__ == "__main__":
    main(__doc__, {"quelea": quelea, "lightgbm": lightgbm, "xgboost": xgboost})
