"""How long does a cold release build of the program take, and how large is it? Crates must be downloaded already."""

import os
import subprocess
import tempfile
from pathlib import Path

import common


def quelea(options):
    with tempfile.TemporaryDirectory() as target:
        environment = os.environ | {"CARGO_TARGET_DIR": target}
        command = ["cargo", "build", "--quiet", "--locked", "--release", "--package", "quelea-cli", "--jobs", str(options.threads)]
        _, seconds = common.timed(lambda: subprocess.run(command, cwd=common.ROOT, env=environment, check=True))
        megabytes = (Path(target) / "release" / "quelea").stat().st_size / 1e6
    return {"minutes": seconds / 60, "program_mb": megabytes}


if __name__ == "__main__":
    common.main(__doc__, {"quelea": quelea}, measure="minutes")
