"""Draws a run in a terminal: trains an example and writes what the program printed as docs/run.svg.

usage: picture.py QUELEA
"""

import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
JOB = "examples/adult/job.toml"
CHARACTER, LINE, MARGIN = 8.4, 18, 16


def printed(program):
    """The command and the lines it printed, first those on the way, then the result."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [program, "train", JOB, "--set", f"output.model={scratch}/adult.onnx"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        text = (done.stderr + done.stdout).replace(f"{scratch}/", "")
    return [f"$ quelea train {JOB}", *text.rstrip().split("\n")]


def drawn(lines):
    """The lines as an SVG picture."""
    width, height = 2 * MARGIN + CHARACTER * max(map(len, lines)), 2 * MARGIN + LINE * len(lines)
    rows = "\n".join(
        f'<text x="{MARGIN}" y="{MARGIN + LINE * (row + 0.75):.0f}" xml:space="preserve" fill="{"#8bd5ca" if row == 0 else "#d8dee9"}">{escape(line)}</text>'
        for row, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" font-family="monospace" font-size="14">\n'
        f'<rect width="100%" height="100%" rx="8" fill="#1e222a"/>\n{rows}\n</svg>\n'
    )


if __name__ == "__main__":
    (ROOT / "docs" / "run.svg").write_text(drawn(printed(Path(sys.argv[1]).resolve())))
