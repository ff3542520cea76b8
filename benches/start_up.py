"""How long does `quelea --version` take as a whole process?"""

import subprocess

import common

RUNS = 51


def quelea(_):
    def once():
        return common.timed(lambda: subprocess.run([common.quelea(), "--version"], stdout=subprocess.DEVNULL, check=True))[1]

    return {"milliseconds": sorted(once() for _ in range(RUNS))[RUNS // 2] * 1e3}


if __name__ == "__main__":
    common.main(__doc__, {"quelea": quelea}, measure="milliseconds")
