"""How many gigabytes per second do workers push to shards over loopback (dense blocks, 64 MiB per worker and round, until all
are staged), against a plain TCP copy of as many bytes between distinct buffers? And how long does a small call take?
The numbers need all their bytes; "short" ones need one each, and are counted as they lie in memory.

What is pulled in lockstep is small, so only pushes are dense. The plain copy has two threads for every pair of worker and
shard; a worker and a shard have one each.
"""

import functools
import statistics

from common import library, main

ROUNDS, WARM_UP = 12, 2
SIZES = [(workers, shards) for workers in (1, 2) for shards in (1, 2)]

# The sum over all workers must fit 64 bits.
WIDE, SHORT = 2**62 - 1, 100


def push(over, workers, shards, number, _):
    answer = library("push", over, workers, shards, ROUNDS, number)
    return {"gb_per_s": statistics.median(answer["gb_per_s"][WARM_UP:]), "small_call_us": answer.get("small_call_us", float("nan"))}


def name(over, workers, shards):
    return f"{over}, {workers} to {shards}"


if __name__ == "__main__":
    contenders = {name(over, *size): functools.partial(push, over, *size, WIDE) for size in SIZES for over in ("rpc", "grpc", "rest", "plain")}
    ours = {name(over, *size): name("rpc", *size) for size in SIZES for over in ("rpc", "grpc", "rest", "plain")}
    contenders["rpc short, 1 to 1"] = functools.partial(push, "rpc", 1, 1, SHORT)
    ours["rpc short, 1 to 1"] = name("rpc", 1, 1)
    main(__doc__, contenders, measure="gb_per_s", ours=ours)
