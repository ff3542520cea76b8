"""How long does k-means take? k = 100, 1,000,000 × 32, 20 iterations of Lloyd from the same start, the data in memory."""

import numpy as np
from common import fit, main, timed

CLUSTERS, ITERATIONS = 100, 20


def points(options):
    return np.load(options.data / "blobs_1000000.npy"), np.load(options.data / "blobs_init.npy")


def inertia(x, centers):
    """The sum of squared distances to the nearest centre, in 64 bits."""
    total = 0.0
    for start in range(0, len(x), 50_000):
        block = x[start : start + 50_000].astype(np.float64)
        best = np.min((block**2).sum(1)[:, None] - 2 * block @ centers.T + (centers**2).sum(1), axis=1)
        total += best.sum()
    return float(total)


def quelea(options):
    table, start = options.data / "blobs_1000000.parquet", np.load(options.data / "blobs_init.npy")
    settings = {"n_clusters": CLUSTERS, "init": start.tolist(), "max_iter": ITERATIONS, "tol": 0.0, "standardize": False}
    answer = fit("k-means", settings, table, table, None, options.threads)
    return {"seconds": answer["seconds"], "inertia": answer["metrics"]["inertia"]}


def scikit_learn(algorithm):
    def run(options):
        from sklearn.cluster import KMeans

        x, start = points(options)
        settings = {"init": start, "n_init": 1, "max_iter": ITERATIONS, "tol": 0, "algorithm": algorithm}
        model, seconds = timed(lambda: KMeans(CLUSTERS, **settings).fit(x))
        return {"seconds": seconds, "inertia": inertia(x, model.cluster_centers_.astype(np.float64))}

    return run


def faiss(options):
    import faiss

    x, start = points(options)
    faiss.omp_set_num_threads(options.threads)
    settings = {"niter": ITERATIONS, "max_points_per_centroid": len(x), "min_points_per_centroid": 1}
    model = faiss.Kmeans(x.shape[1], CLUSTERS, **settings)
    _, seconds = timed(lambda: model.train(x, init_centroids=start))
    return {"seconds": seconds, "inertia": inertia(x, model.centroids.astype(np.float64))}


CONTENDERS = {"quelea": quelea, "scikit-learn lloyd": scikit_learn("lloyd"), "scikit-learn elkan": scikit_learn("elkan"), "faiss": faiss}

if __name__ == "__main__":
    main(__doc__, CONTENDERS)
