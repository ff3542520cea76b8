"""How much faster are two threads than one? Gradient boosting as in boosting_fit.py; `--threads` is not used."""

import copy

import boosting_fit
from common import main


def with_threads(contender, threads):
    def run(options):
        options = copy.copy(options)
        options.threads = threads
        return contender(options)

    return run


if __name__ == "__main__":
    contenders = {"quelea": with_threads(boosting_fit.quelea, 2), "quelea, 1 thread": with_threads(boosting_fit.quelea, 1)}
    contenders |= {"lightgbm": with_threads(boosting_fit.lightgbm, 2), "lightgbm, 1 thread": with_threads(boosting_fit.lightgbm, 1)}
    main(__doc__, contenders)
