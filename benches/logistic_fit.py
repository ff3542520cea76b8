"""How long does logistic regression take to fit? 1,000,000 × 28, the data in memory; the loss is that on the training rows."""

from boosting_fit import TARGET, tables
from common import fit, main, rows_of, timed


def quelea(options):
    table, _ = tables(options)
    answer = fit("logistic-regression", {}, table, table, TARGET, options.threads)
    return {"seconds": answer["seconds"], "log_loss": answer["metrics"]["log_loss"]}


def scikit_learn(solver, dtype, **settings):
    def run(options):
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import log_loss

        x, y = rows_of(tables(options)[0], TARGET)
        x = x.astype(dtype)
        model, seconds = timed(lambda: LogisticRegression(solver=solver, **settings).fit(x, y))
        return {"seconds": seconds, "log_loss": log_loss(y, model.predict_proba(x).astype("float64"))}

    return run


CONTENDERS = {
    "quelea": quelea,
    "newton-cholesky": scikit_learn("newton-cholesky", "float64"),
    "newton-cholesky f32": scikit_learn("newton-cholesky", "float32"),
    "lbfgs": scikit_learn("lbfgs", "float64", max_iter=1000),
}

if __name__ == "__main__":
    main(__doc__, CONTENDERS)
