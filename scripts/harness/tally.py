# SPDX-License-Identifier: GPL-2.0
"""The count of results, as a run prints them: a line each, those that failed once more, and last `N passed, N failed`."""

import sys

import ktap


class Tally:
    """Prints results and counts them."""

    def __init__(self):
        self.counts = {ktap.PASS: 0, ktap.FAIL: 0, ktap.SKIP: 0}
        self.failures = []

    def add(self, group, result):
        self.counts[result.status] += 1
        detail = f"  ({result.detail})" if result.detail else ""
        what = f"{group:8}  {result.name}{detail}"
        print(f"  {result.status:4}  {what}")
        if result.status == ktap.FAIL:
            self.failures.append(what)
            self.quote(result.notes)
        sys.stdout.flush()

    def fail(self, group, name, detail="", notes=()):
        self.add(group, ktap.Result(ktap.FAIL, name, detail, notes))

    @staticmethod
    def quote(lines):
        for line in lines:
            print(f"        | {line}")

    def finish(self):
        """The failures once more, the last line, and whether all is well."""
        passed, failed, skipped = (self.counts[s] for s in (ktap.PASS, ktap.FAIL, ktap.SKIP))
        # CI shows only the end of a log. The self-test counts lines that begin with FAIL, so these
        # do not.
        if self.failures:
            print("failed:")
        for what in self.failures:
            print(f"    {what}")
        if skipped:
            print(f"{skipped} skipped")
        print(f"{passed} passed, {failed} failed", flush=True)
        return passed > 0 and failed == 0
