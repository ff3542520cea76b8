"""Trains in a network that is cut: the run, two shards and two workers in network namespaces of their own, joined by a bridge,
under TLS. One worker's link is slow; the other worker is cut off and comes back, then a shard, then both with the run silent
between them. The model must be the file that one process writes.

usage: partition.py QUELEA      needs root, ip, tc and openssl; where it cannot have them it says so, and tests nothing
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from cases import run_all

HOSTS = {name: f"10.77.0.{number}" for number, name in enumerate(["run", "shard0", "shard1", "worker0", "worker1", "stranger"], 1)}
# Waits that make somebody who is cut off known soon.
TIMES = {"transport.keepalive": "300ms", "transport.lease": "3s", "transport.request_timeout": "1s", "transport.retries": 30}
CASES = {
    "boosting over rpc": ("rpc", ["--model", "gradient-boosting", "--set", "model.n_estimators=150"]),
    "steps over grpc": ("grpc", ["--model", "sparse-logistic-regression", "--set", "model.epochs=60", "--set", "model.patience=0"]),
    "boosting over rest": ("https", ["--model", "gradient-boosting", "--set", "model.n_estimators=100"]),
}


def call(*words):
    subprocess.run([*map(str, words)], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


class Network:
    """A namespace for each host and one for the bridge between them. All of it is gone with this value."""

    def __init__(self):
        self.processes = []
        self.made = []

    def name(self, host):
        return f"quelea-{os.getpid()}-{host}"

    def __enter__(self):
        try:
            for host in ["bridge", *HOSTS]:
                call("ip", "netns", "add", self.name(host))
                self.made.append(host)
            self.ip("bridge", "link", "add", "bridge", "type", "bridge")
            self.ip("bridge", "link", "set", "dev", "bridge", "up")
            for host, address in HOSTS.items():
                inside, outside = ("eth0", "netns", self.name(host)), (host, "netns", self.name("bridge"))
                call("ip", "link", "add", *inside, "type", "veth", "peer", "name", *outside)
                self.ip("bridge", "link", "set", "dev", host, "master", "bridge", "up")
                self.ip(host, "address", "add", f"{address}/24", "dev", "eth0")
                self.ip(host, "link", "set", "dev", "eth0", "up")
                self.ip(host, "link", "set", "dev", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        for host in self.made:
            subprocess.run(["ip", "netns", "delete", self.name(host)], stderr=subprocess.DEVNULL, check=False)

    def ip(self, host, *words):
        call("ip", "-n", self.name(host), *words)

    def cut(self, host):
        self.ip("bridge", "link", "set", "dev", host, "down")

    def heal(self, host):
        self.ip("bridge", "link", "set", "dev", host, "up")

    def slow(self, host, rate):
        """Lets so much through, both ways."""
        shape = ("root", "tbf", "rate", rate, "burst", "32kb", "latency", "100ms")
        call("tc", "-n", self.name("bridge"), "qdisc", "add", "dev", host, *shape)
        call("tc", "-n", self.name(host), "qdisc", "add", "dev", "eth0", *shape)

    def start(self, host, *words):
        command = ["ip", "netns", "exec", self.name(host), *map(str, words)]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.processes.append(process := subprocess.Popen(command, text=True, **pipes))
        return process


class Told:
    """What a process writes, line by line, as it comes."""

    def __init__(self, process):
        self.lines, self.news, self.is_over = [], threading.Condition(), False
        threading.Thread(target=self.read, args=(process,), daemon=True).start()

    def read(self, process):
        for line in process.stdout:
            with self.news:
                self.lines.append(line)
                self.news.notify()
        with self.news:
            self.is_over = True
            self.news.notify()

    def wait_for(self, words, since=0):
        """The number of lines up to the first after `since` that holds all of these words."""
        with self.news:
            while True:
                for number, line in enumerate(self.lines[since:], since + 1):
                    if all(word in line for word in words):
                        return number
                since = len(self.lines)
                assert not self.is_over, f"it ended before it said {words}:\n{''.join(self.lines[-30:])}"
                self.news.wait()


def make_table(path):
    draw = random.Random(7)
    with path.open("w") as table:
        table.write("x0,x1,x2,color,y\n")
        for _ in range(30_000):
            x0, x1, x2, noise = (draw.random() for _ in range(4))
            color = draw.choice(["red", "green", "blue"])
            table.write(f"{x0:.4f},{x1:.4f},{x2:.4f},{color},{'yes' if 2 * x0 + x1 * x2 - (color == 'red') + noise > 1.2 else 'no'}\n")


def make_certificates(folder):
    """An authority, and for each host a certificate and a key, as docs/operating.md makes them."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    authority = folder / "authority.pem"
    call("openssl", "req", "-x509", *key, "-days", "2", "-subj", "/CN=quelea", "-keyout", folder / "authority.key", "-out", authority)
    for host, address in HOSTS.items():
        made = {end: folder / f"{host}.{end}" for end in ("key", "csr", "ext", "pem")}
        call("openssl", "req", *key, "-subj", f"/CN={host}", "-keyout", made["key"], "-out", made["csr"])
        made["ext"].write_text(f"subjectAltName=IP:{address}\nextendedKeyUsage=serverAuth,clientAuth\n")
        by = ["-CA", authority, "-CAkey", folder / "authority.key", "-CAcreateserial", "-days", "2"]
        call("openssl", "x509", "-req", "-in", made["csr"], *by, "-extfile", made["ext"], "-out", made["pem"])


def make_token(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


def train(program, scratch, protocol, learner):
    table, token = scratch / "t.csv", make_token(scratch / "token", "0123456789abcdef0123456789abcdef")
    make_table(table)
    make_certificates(scratch)
    job = ["train", "--data", table, "--target", "y", "--threads", "1", "--json", *learner]
    alone, found = scratch / "alone.onnx", scratch / "found.onnx"
    call(program, *job, "--output", alone)

    def membership(host, token=token):
        tls = ["--certificate", scratch / f"{host}.pem", "--key", scratch / f"{host}.key", "--authority", scratch / "authority.pem"]
        return [*tls, "--token-file", token, "--threads", "1"]

    with Network() as network:
        network.slow("worker1", "20mbit")
        carried = "rest" if protocol == "https" else protocol
        shards = [f"{HOSTS[host]}:7101" for host in ("shard0", "shard1")]
        for host, address in zip(("shard0", "shard1"), shards):
            shard = network.start(host, program, "shard", "--listen", address, "--protocol", carried, *membership(host))
            Told(shard).wait_for(["listening on"])
        tls = {"certificate": "run.pem", "key": "run.key", "authority": "authority.pem"}
        keys = {f"transport.tls.{key}": str(scratch / file) for key, file in tls.items()} | {"transport.token_file": str(token)}
        keys |= TIMES | {"transport.protocol": carried, "cluster.listen": f"{HOSTS['run']}:7100", "cluster.shards": shards}
        settings = [word for key, value in keys.items() for word in ("--set", f"{key}={json.dumps(value)}")]
        run = network.start("run", program, *job, "--output", found, *settings)
        told = Told(run)
        told.wait_for(["the run listens at"])
        url = f"{protocol}://{HOSTS['run']}:7100"
        workers = [network.start(host, program, "worker", "--run", url, *membership(host)) for host in ("worker0", "worker1")]
        heard = [Told(worker) for worker in workers]
        at = told.wait_for(['"event":"training"'])

        other = make_token(scratch / "other", "fedcba9876543210fedcba9876543210")
        stranger = network.start("stranger", program, "worker", "--run", url, *membership("stranger", other))
        Told(stranger).wait_for(["does not know this token"])
        assert stranger.wait() == 2, "a worker with another run's token is refused"

        network.cut("worker0")
        at = told.wait_for(["worker", "is gone", "silent"], at)
        at = told.wait_for(['"event":"training"'], at)
        network.heal("worker0")
        at = told.wait_for(["has joined"], at)
        network.cut("shard1")
        at = told.wait_for(["shard 1 is gone"], at)
        network.heal("shard1")
        at = told.wait_for(['"event":"training"'], at)
        network.cut("run")
        for worker in ("worker0", "worker1"):
            network.cut(worker)
        told.wait_for(["is gone"], at)
        for host in ("run", "worker0", "worker1"):
            network.heal(host)
        assert run.wait() == 0, "".join(told.lines[-30:])
        for worker, said in zip(workers, heard):
            assert worker.wait() == 0, "".join(said.lines)
        assert found.read_bytes() == alone.read_bytes(), "the model is another one"
        return f"the same {len(alone.read_bytes())} bytes, {sum('is gone' in line for line in told.lines)} losses"


def main():
    # Whoever is told to end ends its processes and namespaces first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    missing = [tool for tool in ("ip", "tc", "openssl") if shutil.which(tool) is None]
    try:
        if missing:
            raise OSError(f"{' and '.join(missing)} cannot be found")
        with Network() as network:
            network.slow("run", "20mbit")
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"partition: skipped, no namespaces can be made here: {getattr(error, 'stderr', None) or error}")
        return
    program = Path(sys.argv[1]).resolve()
    run_all("partition", [(name, lambda scratch, case=case: train(program, scratch, *case)) for name, case in CASES.items()])


if __name__ == "__main__":
    main()
