#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""runtest.py <machine>: whether scripts/harness/boot run prints what README.md shows below `make run`.

Numbers may differ, and any lines may stand where README.md has "...". Runs with the toolchain, on a
guest that is built; FERRODMA_KERNEL names the prepared kernel.
"""

import os
import pathlib
import re
import subprocess
import sys

import qemu

NUMBER = re.compile(r"0x[0-9a-f]+|\d+(?:\.\d+)?")


def shown(readme):
    """The block of text that follows the one of `make run`, as lines."""
    match = re.search(r"^```sh\nmake run\n```$.*?^```text\n(.*?)^```$", readme, re.M | re.S)
    if not match:
        sys.exit("ferrodma: README.md has no block of text after that of make run")
    return match[1].splitlines()


def pattern(lines):
    """What matches these lines, with other numbers and more lines."""
    parts = []
    for line in lines:
        if line.strip() == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            texts = (re.escape(text) for text in NUMBER.split(line))
            parts.append(r"[0-9a-fx.]+".join(texts) + r"\n")
    return re.compile("".join(parts), re.M)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    expected = pattern(shown((qemu.TOP / "README.md").read_text()))
    scripts = pathlib.Path(__file__).resolve().parent
    environment = {name: value for name, value in os.environ.items() if name != "WITH"}
    environment["BOARD"] = sys.argv[1]
    subprocess.run([scripts.parent / "guest" / "with.sh"], env=environment, check=True)
    run = subprocess.run(
        [scripts / "boot", "run"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    print(run.stdout, end="")
    if run.returncode:
        sys.exit(f"ferrodma: boot run ends with {run.returncode}")
    if not expected.search(run.stdout):
        sys.exit("ferrodma: README.md shows other lines below make run; put these in their place")


main()
