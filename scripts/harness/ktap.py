# SPDX-License-Identifier: GPL-2.0
"""What a run of the kernel's kselftest runner says: a result for each test of each program, and what is missing.

The runner's own lines are at the left, and those of a program behind "# ".
"""

import re
import time
from collections import namedtuple

# `detail` is the reason in a few words, `notes` what the program said before.
Result = namedtuple("Result", "status name detail notes", defaults=("", ()))
PASS, FAIL, SKIP = "ok", "FAIL", "SKIP"

VERSION = "TAP version 13"
RESULT = re.compile(r"(not )?ok \d+(?: - | )?(.*)")
PLAN = re.compile(r"1\.\.(\d+)")
KEPT_DIAGNOSTICS = 12


class Program:
    """One test program: what it planned and what it reported."""

    def __init__(self, name):
        self.name = name
        self.plan = None
        self.results = 0
        self.failures = 0
        self.diagnostics = []
        self.begun = time.monotonic()


class Stream:
    """Takes lines as they come, gives results. `expected` names the programs that must report; `times`
    has the seconds that each has taken, `skipped` the names of the tests that were skipped."""

    def __init__(self, expected):
        self.missing = list(expected)
        self.program = None
        self.times = {}
        self.skipped = set()
        self.exit_status = None
        self.failed = False
        self.begun = False

    def feed(self, line):
        """The results that one more line settles."""
        results = self._feed(line)
        self.failed |= any(result.status == FAIL for result in results)
        self.skipped |= {result.name for result in results if result.status == SKIP}
        return results

    def _feed(self, line):
        if line.startswith("FERRODMA-FAIL "):
            return [Result(FAIL, line.removeprefix("FERRODMA-FAIL "))]
        if line and not self.begun:
            self.begun = True
            return [] if line == VERSION else [Result(FAIL, "the verdict begins with another line", ascii(line))]
        if line.startswith("FERRODMA-PASS "):
            return [Result(PASS, line.removeprefix("FERRODMA-PASS "))]
        if line.startswith("FERRODMA-END "):
            self.exit_status = int(line.split()[1])
            return self.close()
        if match := re.fullmatch(r"# selftests: [^:]+: (\S+)", line):
            lost = self._abandon()
            self.program = Program(match[1])
            return lost
        if self.program is None:
            return []
        if line.startswith("# "):
            return self._inner(line[2:])
        if match := RESULT.fullmatch(line):
            return self._outer(failed=bool(match[1]), text=match[2])
        return []

    def close(self):
        """At the end of the stream: what was expected and did not come."""
        lost = self._abandon()
        lost += [Result(FAIL, name, "did not run") for name in self.missing]
        self.missing = []
        return lost

    def _inner(self, line):
        program = self.program
        if match := PLAN.match(line):
            program.plan = int(match[1])
            return []
        if line.startswith("Bail out!"):
            program.failures += 1
            return [Result(FAIL, program.name, line)]
        match = RESULT.fullmatch(line)
        if not match:
            program.diagnostics.append(line)
            del program.diagnostics[:-KEPT_DIAGNOSTICS]
            return []
        program.results += 1
        name, directive, reason = split_directive(match[2])
        diagnostics, program.diagnostics = program.diagnostics, []
        name = f"{program.name}: {name}"
        if match[1]:
            program.failures += 1
            return [Result(FAIL, name, reason, diagnostics)]
        if directive:
            return [Result(SKIP, name, reason or "no reason given")]
        return [Result(PASS, name)]

    def _outer(self, failed, text):
        program, self.program = self.program, None
        self.times[program.name] = round(time.monotonic() - program.begun, 1)
        if program.name in self.missing:
            self.missing.remove(program.name)
        _, directive, reason = split_directive(text)
        results = self._lost(program)
        if failed and not program.failures and not results:
            results.append(Result(FAIL, program.name, reason, program.diagnostics))
        elif not failed and not program.results and not results:
            if directive:
                why = reason or " ".join(program.diagnostics[-1:]) or "no reason given"
                results.append(Result(SKIP, program.name, why))
            elif program.plan == 0:
                results.append(Result(FAIL, program.name, "planned no test"))
            else:
                results.append(Result(PASS, program.name))
        return results

    def _lost(self, program):
        """Tests that the program planned and did not report, or reported without a plan."""
        if program.plan is None:
            if not program.results:
                return []
            return [Result(FAIL, program.name, "reported tests without a plan")]
        lost = program.plan - program.results
        if lost < 0:
            return [Result(FAIL, program.name, f"planned {program.plan} tests, reported {program.results}")]
        return [
            Result(FAIL, f"{program.name}: test {program.results + 1 + i} of {program.plan}", "planned, not reported")
            for i in range(lost)
        ]

    def _abandon(self):
        """A program that began and did not end."""
        program, self.program = self.program, None
        if program is None:
            return []
        self.times[program.name] = round(time.monotonic() - program.begun, 1)
        if program.name in self.missing:
            self.missing.remove(program.name)
        return self._lost(program) + [Result(FAIL, program.name, "did not end", program.diagnostics)]


def split_directive(text):
    """`name # SKIP reason` in its parts. The harness writes `# SKIP` before a name-less reason as well."""
    name, mark, rest = text.partition("#")
    name, rest = name.strip(), rest.strip()
    if match := re.match(r"(SKIP|XFAIL)\b\s*(.*)", rest):
        return name, match[1], match[2] if match[1] == "SKIP" else f"expected failure {match[2]}".strip()
    return name, None, rest if mark else ""
