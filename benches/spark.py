"""How long does the same training take as a whole process, from Parquet: Quelea, or Spark MLlib on local[2]?

Same settings on both sides: trees of depth 5 (Spark grows by level, so ours have at most 32 leaves), 255 bins; logistic
regression without penalty to speak of; k-means for 20 iterations. Spark's time includes the start of its virtual machine.
Rounds: one is enough (`--rounds 1`); Spark's boosting takes minutes.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import common

LEARNERS = {
    "boosting": ("gradient-boosting", "label", {"n_estimators": 100, "num_leaves": 32, "max_depth": 5, "max_bin": 255}),
    "logistic": ("logistic-regression", "label", {"max_iter": 100}),
    "kmeans": ("k-means", None, {"n_clusters": 100, "max_iter": 20, "tol": 0.0, "standardize": False}),
}


def table(options, learner):
    return options.data / ("blobs_1000000.parquet" if learner == "kmeans" else "higgs_1000000.parquet")


def quality_of(metrics):
    return next(metrics[name] for name in ("roc_auc", "inertia") if name in metrics)


def quelea(learner):
    def run(options):
        name, target, parameters = LEARNERS[learner]
        with tempfile.TemporaryDirectory() as scratch:
            model = Path(scratch) / "model.onnx"
            command = [common.quelea(), "train", "--data", table(options, learner), "--model", name, "--output", model, "--json"]
            command += ["--threads", str(options.threads)] + (["--target", target] if target else [])
            command += [word for key, value in parameters.items() for word in ("--set", f"model.{key}={json.dumps(value)}")]
            done, seconds = common.timed(lambda: subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True))
            metrics = json.loads(done.stdout.splitlines()[-1])["metrics"]["train"]
        return {"seconds": seconds, "quality": quality_of(metrics)}

    return run


def spark(learner):
    def run(options):
        command = [sys.executable, __file__, "spark", learner, table(options, learner), options.threads]
        done, seconds = common.timed(lambda: subprocess.run([*map(str, command)], stdout=subprocess.PIPE, text=True, check=True))
        answer = json.loads(done.stdout.splitlines()[-1])
        # The quality is computed afterwards and does not count.
        return {"seconds": seconds - answer["judging"], "quality": answer["quality"]}

    return run


def estimator(learner):
    from pyspark.ml.classification import GBTClassifier, LogisticRegression
    from pyspark.ml.clustering import KMeans

    if learner == "boosting":
        return GBTClassifier(labelCol="label", maxIter=100, maxDepth=5, maxBins=255, stepSize=0.1, seed=7)
    if learner == "logistic":
        return LogisticRegression(labelCol="label", maxIter=100, regParam=1e-6)
    return KMeans(k=100, maxIter=20, tol=0.0, seed=7)


def spark_process(learner, path, threads):
    """The whole Spark program: read, fit, save."""
    from pyspark.ml.evaluation import BinaryClassificationEvaluator
    from pyspark.ml.feature import VectorAssembler
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import col

    session = SparkSession.builder.master(f"local[{threads}]").config("spark.driver.memory", "8g").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    rows = session.read.parquet(path)
    names = [name for name in rows.columns if name != "label"]
    if "label" in rows.columns:
        rows = rows.withColumn("label", col("label").cast("double"))
    rows = VectorAssembler(inputCols=names, outputCol="features").transform(rows).select("features", *(["label"] if "label" in rows.columns else []))
    with tempfile.TemporaryDirectory() as scratch:
        fitted = estimator(learner).fit(rows.cache())
        fitted.write().overwrite().save(f"{scratch}/model")

        def judge():
            return fitted.summary.trainingCost if learner == "kmeans" else BinaryClassificationEvaluator().evaluate(fitted.transform(rows))

        quality, judging = common.timed(judge)
    print(json.dumps({"quality": quality, "judging": judging}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["spark"]:
        spark_process(*sys.argv[2:])
    else:
        contenders = {f"{name} {who.__name__}": who(name) for name in LEARNERS for who in (quelea, spark)}
        common.main(__doc__, contenders, ours={name: f"{name.split()[0]} quelea" for name in contenders})
