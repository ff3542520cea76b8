"""The boosted models that the benchmarks of scoring need, each trained once and kept beside the tables."""

import boosting_fit
from common import fit, rows_of

PARAMETERS = {"n_estimators": 100, "num_leaves": 31, "max_bin": 255}


def table(options):
    return boosting_fit.tables(options)[0]


def onnx(options):
    """Our model as an ONNX file."""
    path = options.data / "quelea_boosting.onnx"
    if not path.exists():
        fit("gradient-boosting", PARAMETERS, *boosting_fit.tables(options), boosting_fit.TARGET, options.threads, path)
    return path


def lightgbm(options):
    import lightgbm as lgb

    path = options.data / "lightgbm_boosting.txt"
    if not path.exists():
        x, y = rows_of(table(options), boosting_fit.TARGET)
        settings = {"objective": "binary", "num_leaves": 31, "max_bin": 255, "num_threads": options.threads, "verbose": -1}
        lgb.train(settings, lgb.Dataset(x, y), 100).save_model(path)
    return lgb.Booster(params={"num_threads": options.threads}, model_file=path)


def xgboost(options):
    import xgboost as xgb

    path = options.data / "xgboost_boosting.ubj"
    if not path.exists():
        x, y = rows_of(table(options), boosting_fit.TARGET)
        settings = {"objective": "binary:logistic", "tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 31, "max_depth": 0}
        xgb.train(settings | {"max_bin": 255, "nthread": options.threads}, xgb.QuantileDMatrix(x, y, max_bin=255), 100).save_model(path)
    booster = xgb.Booster(model_file=path)
    booster.set_param({"nthread": options.threads})
    return booster


def session(options, threads):
    """Our ONNX file in ONNX Runtime."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(str(onnx(options)), settings, providers=["CPUExecutionProvider"])
