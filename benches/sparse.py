"""How long do 1,000 rows of 16 numbers take to read, and to add to, against Redis on loopback with keys of the same kind?

Ours are a shard's tables in this process, without a network, and a shard over rpc, where adding is a push and its commit.
Redis reads with MGET; it adds with INCRBYFLOAT for every number, or with one script for all rows. Its client sends bytes that
were made before and counts those that come back. Keys are 63-bit numbers from all over: the tables' and Redis' are the same, those
of the shard over rpc are others.
"""

import array
import contextlib
import functools
import random
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from common import library, main

ROWS, WIDTH, KEYS, CALLS, WARM_UP = 100_000, 16, 1_000, 300, 20
PICKS = 64
ADD = """for at = 1, #KEYS do
  local row = {struct.unpack('<FORMAT', redis.call('GET', KEYS[at]))}
  local sums = {struct.unpack('<FORMAT', ARGV[at])}
  for place = 1, WIDTH do row[place] = row[place] + sums[place] end
  redis.call('SET', KEYS[at], struct.pack('<FORMAT', unpack(row, 1, WIDTH)))
end
return 1""".replace("FORMAT", "f" * WIDTH).replace("WIDTH", str(WIDTH))


def rows():
    """The keys of all rows, and of some calls, in ascending order."""
    draws = random.Random(5)
    keys = draws.sample(range((1 << 63) - 1), ROWS)
    return keys, [sorted(draws.sample(keys, KEYS)) for _ in range(PICKS)]


def ours(what, _):
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "keys"
        keys, calls = rows()
        file.write_bytes(array.array("Q", sorted(keys) + sum(calls, [])).tobytes())
        return summary(library("sparse", what, file, ROWS, KEYS, WIDTH, CALLS)["seconds"])


def over_rpc(what, _):
    seconds = library("empty", "spread", 1, 1, ROWS, WIDTH, KEYS, CALLS)
    adds = [step - read for step, read in zip(seconds["steps"], seconds["reads"], strict=True)]
    return summary({"read": seconds["reads"], "add": adds}[what])


def redis(what, _):
    keys, calls = rows()
    with server() as connection:
        for first in range(0, ROWS, KEYS):
            exchange(connection, b"".join(command(b"SET", key(k), bytes(4 * WIDTH)) for k in keys[first : first + KEYS]), 5 * KEYS)
        requests = [what(call) for call in calls]
        # All are answered alike.
        length = reply(connection, requests[0])
        seconds = []
        for call in range(CALLS):
            start = time.perf_counter()
            exchange(connection, requests[call % PICKS], length)
            seconds.append(time.perf_counter() - start)
    return summary(seconds)


def mget(call):
    return command(b"MGET", *map(key, call))


def increase(call):
    return b"".join(command(b"INCRBYFLOAT", key(k) + bytes([place]), b"0") for k in call for place in range(WIDTH))


def script(call):
    return command(b"EVAL", ADD.encode(), str(len(call)).encode(), *map(key, call), *[bytes(4 * WIDTH)] * len(call))


def key(number):
    return number.to_bytes(8, "little")


def command(*words):
    return b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)])


def reply(connection, request):
    """The length of the reply: what has come when nothing more does."""
    connection.sendall(request)
    length = 0
    connection.settimeout(2)
    with contextlib.suppress(TimeoutError):
        while True:
            length += len(connection.recv(1 << 20))
    connection.settimeout(60)
    return length


def exchange(connection, request, length):
    connection.sendall(request)
    while length > 0:
        got = connection.recv(1 << 20)
        if not got or got.startswith(b"-"):
            raise SystemExit(f"Redis answered {got[:200]!r}")
        length -= len(got)


@contextlib.contextmanager
def server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        yield connected(port)
    finally:
        process.terminate()
        process.wait()


def connected(port):
    for _ in range(200):
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=60)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise SystemExit("redis-server does not listen")


def summary(seconds):
    median = statistics.median(seconds[WARM_UP:])
    return {"us_per_call": median * 1e6, "million_keys_per_s": KEYS / median / 1e6}


if __name__ == "__main__":
    contenders = {
        "rpc, read": functools.partial(over_rpc, "read"),
        "tables, read": functools.partial(ours, "read"),
        "Redis, MGET": functools.partial(redis, mget),
        "rpc, add": functools.partial(over_rpc, "add"),
        "tables, add": functools.partial(ours, "add"),
        "Redis, INCRBYFLOAT": functools.partial(redis, increase),
        "Redis, script": functools.partial(redis, script),
    }
    against = {name: "rpc, read" if name.endswith(("read", "MGET")) else "rpc, add" for name in contenders}
    main(__doc__, contenders, measure="us_per_call", ours=against)
