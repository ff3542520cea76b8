"""Runs named cases one after the other, each in a scratch folder of its own, and counts those that failed."""

import sys
import tempfile
import traceback
from pathlib import Path


def run_all(title, cases):
    """`cases` are pairs of a name and a function of a scratch folder that gives a line to print. Ends the program."""
    failed = 0
    for name, run in cases:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                print(f"{name}: {run(Path(scratch))}", flush=True)
            except Exception:
                failed += 1
                print(f"{name}: FAILED\n{traceback.format_exc(limit=3)}", file=sys.stderr, flush=True)
    print(f"{title}: {len(cases) - failed} passed, {failed} failed")
    sys.exit(failed > 0 or not cases)
