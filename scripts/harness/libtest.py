# SPDX-License-Identifier: GPL-2.0
"""The tests of the host, run by Rust's test runner with --show-output: a result for each, and what is missing."""

import re
import subprocess

import ktap

PLAN = re.compile(r"running (\d+) tests?")
RESULT = re.compile(r"test (\S+) \.\.\. (ok|FAILED|ignored)(?:, (.*))?")
OUTPUT = re.compile(r"---- (\S+) stdout ----")
KEPT_LINES = 12


def short(name):
    """`program::group::test` as kselftests are called."""
    program, _, rest = name.partition("::")
    return f"{program}: {rest.replace('::', '.')}"


def run(top, log, limit, *names):
    """Runs all of the clone at `top`, or those of these names, for at most so many seconds. Their output goes to `log`."""
    command = ["timeout", str(limit), top / "scripts" / "harness" / "host.sh", *names]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            return process.wait()
        finally:
            # It ends all that it has started.
            process.terminate()
            process.wait()


def results(text):
    """All results, in the order in which the tests have ended."""
    planned, seen, output = 0, [], {}
    lines = []
    for line in text.splitlines():
        if match := PLAN.fullmatch(line):
            planned += int(match[1])
        elif match := RESULT.fullmatch(line):
            seen.append(match)
        elif match := OUTPUT.fullmatch(line):
            lines = output.setdefault(match[1], [])
        elif line.strip():
            lines.append(line)
    found = []
    for match in seen:
        name, said, reason = match.groups()
        notes = output.get(name, [])
        if said == "ok":
            found.append(ktap.Result(ktap.PASS, short(name), "; ".join(n for n in notes if "interleavings" in n)))
        elif said == "ignored":
            found.append(ktap.Result(ktap.SKIP, short(name), reason or "no reason given"))
        else:
            found.append(ktap.Result(ktap.FAIL, short(name), "", notes[-KEPT_LINES:]))
    if not planned:
        found.append(ktap.Result(ktap.FAIL, "no test has run"))
    elif planned > len(seen):
        found.append(ktap.Result(ktap.FAIL, f"{planned - len(seen)} of {planned} tests did not end"))
    return found
