# SPDX-License-Identifier: GPL-2.0
"""The count of results, as a run prints them: a line each, and last `N passed, N failed`."""

import sys

import ktap


class Tally:
    """Prints results and counts them."""

    def __init__(self):
        self.counts = {ktap.PASS: 0, ktap.FAIL: 0, ktap.SKIP: 0}

    def add(self, group, result):
        self.counts[result.status] += 1
        detail = f"  ({result.detail})" if result.detail else ""
        print(f"  {result.status:4}  {group:8}  {result.name}{detail}")
        if result.status == ktap.FAIL:
            self.quote(result.notes)
        sys.stdout.flush()

    def fail(self, group, name, detail="", notes=()):
        self.add(group, ktap.Result(ktap.FAIL, name, detail, notes))

    @staticmethod
    def quote(lines):
        for line in lines:
            print(f"        | {line}")

    def finish(self):
        """The last line, and whether all is well."""
        passed, failed, skipped = (self.counts[s] for s in (ktap.PASS, ktap.FAIL, ktap.SKIP))
        if skipped:
            print(f"{skipped} skipped")
        print(f"{passed} passed, {failed} failed", flush=True)
        return passed > 0 and failed == 0
