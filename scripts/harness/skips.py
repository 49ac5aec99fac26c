# SPDX-License-Identifier: GPL-2.0
"""The tests that each boot skips: a test that is skipped on a machine for the first time, or is not
skipped any more, fails the run. Otherwise a bug that makes a test skip would not be noticed.

tests/kselftest/skips has a line for each of these tests: its name, and behind a bar the boots that
skip it, as patterns for <board>/<variant>. With ~ before the pattern the boot may skip the test, as
it depends on what the kernel happens to do. SKIPS=update writes the file from what a run has seen.
"""

import fnmatch
import os

import qemu

FILE = qemu.TOP / "tests" / "kselftest" / "skips"
# All machines, whichever BOARD names.
BOARDS = sorted(path.name for path in (qemu.TOP / "tests" / "boards").iterdir())
VARIANTS = ("plain", "swiotlb", "debug")
UPDATES = os.environ.get("SKIPS") == "update"


def read():
    """The patterns for each test."""
    lines = FILE.read_text().splitlines() if FILE.exists() else []
    pairs = (line.split(" | ") for line in lines if line and not line.startswith("#"))
    return {name.strip(): where.split() for name, where in pairs}


def matches(boot, patterns, may):
    """Whether the boot skips a test, or if `may`, perhaps does."""
    mark = "~" if may else ""
    return any(fnmatch.fnmatch(boot, where.removeprefix("~")) for where in patterns if where.startswith("~") == bool(mark))


def check(tally, board, variant, stream):
    """Compare what a boot has skipped with what it should have."""
    boot = f"{board}/{variant}"
    file = read()
    if UPDATES:
        update(boot, file, stream)
        return
    for name in sorted(stream.skipped):
        patterns = file.get(name, ())
        if not matches(boot, patterns, False) and not matches(boot, patterns, True):
            tally.fail(f"{board} {variant}", name, "is skipped here, which is new: mend it, or run it with SKIPS=update")
    for name, patterns in file.items():
        ran = name.split(":")[0] in stream.times
        if ran and matches(boot, patterns, False) and name not in stream.skipped:
            tally.fail(f"{board} {variant}", name, "is not skipped here any more: run it with SKIPS=update")


def update(boot, file, stream):
    """Write what a boot has skipped to the file."""
    boots = [f"{board}/{variant}" for board in BOARDS for variant in VARIANTS]
    for name in {*file, *stream.skipped}:
        if name.split(":")[0] not in stream.times:
            continue
        perhaps = [where for where in file.get(name, ()) if where.startswith("~")]
        skips = {each for each in boots if matches(each, file.get(name, ()), False)}
        skips -= {boot}
        if name in stream.skipped and not matches(boot, perhaps, True):
            skips |= {boot}
        file[name] = perhaps + patterns(skips, boots)
    FILE.write_text("".join(f"{name} | {' '.join(where)}\n" for name, where in sorted(file.items()) if where))


def patterns(skips, boots):
    """As few patterns as say the same."""
    found = []
    for board in ("*", "amd-*", "raspi*", *BOARDS):
        for variant in ("*", *VARIANTS):
            where = f"{board}/{variant}"
            those = {boot for boot in boots if fnmatch.fnmatch(boot, where)}
            covered = {boot for boot in boots if any(fnmatch.fnmatch(boot, each) for each in found)}
            if those <= skips and not those <= covered:
                found.append(where)
    return found
