# SPDX-License-Identifier: GPL-2.0
"""A copy of the tree in which a bug is planted, and what the tests say of it."""

import collections
import os
import re
import shutil
import subprocess
import time

import ktap
import libtest
import qemu

# In place of a machine and a variant.
HOST = ("host",)

# What scripts/harness/check has said: failures of the tests in the guest, and those before it was
# there.
Outcome = collections.namedtuple("Outcome", "caught failures broken passed seconds")


class Copy:
    """A copy below `folder`, which is built once and then only as far as a bug changes it."""

    def __init__(self, folder):
        self.folder = folder
        self.tree = folder / "tree"

    def refresh(self):
        """Make the copy as the tree is. What has not changed is not touched, so that make sees that."""
        self.tree.mkdir(parents=True, exist_ok=True)
        command = ["rsync", "-a", "--no-times", "--checksum", "--delete", "--exclude=/build", "--exclude=/.git"]
        subprocess.run([*command, f"{qemu.TOP}/", f"{self.tree}/"], check=True)

    def fresh_folder(self, name):
        """An empty folder for logs."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def run_host(self, name, tests, caught):
        """Run tests of the host in the copy."""
        started = time.monotonic()
        log = self.fresh_folder(name) / "check.log"
        status = libtest.run(self.tree, log, 900, *tests)
        text = log.read_text(errors="replace")
        ran = libtest.PLAN.search(text)
        failures = [result.name for result in libtest.results(text) if result.status == ktap.FAIL]
        found = next(filter(caught, failures), None) if caught and ran else None
        broken = [] if ran else [f"exit {status}"]
        passed = status == 0 and not failures
        return Outcome(found, failures if ran else [], broken, passed, time.monotonic() - started)

    def run(self, name, boot, tests, caught, limit=None):
        """Run scripts/harness/check in the copy. With `caught`, until that is true for a failure; for `limit` seconds
        at most, if given."""
        if boot == HOST:
            return self.run_host(name, tests, caught)
        machine, variant = boot
        config = variant if (qemu.TOP / "tests" / "kernels" / variant).exists() else ""
        environment = {key: value for key, value in os.environ.items() if key not in ("FERRODMA_KERNEL", "KDIR", "OUT")}
        environment |= {
            "BOARD": machine,
            "FERRODMA_CONFIG": config,
            "FERRODMA_VARIANT": variant,
            "TESTS": ",".join(tests),
        }
        if limit:
            environment["FERRODMA_TIMEOUT"] = str(limit)
        folder = self.fresh_folder(name)
        found, failures, broken, passed = None, [], [], False
        started = time.monotonic()
        # The kernel ends it if this process is killed outright.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", self.tree / "scripts" / "harness" / "check.sh"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            with (folder / "check.log").open("w") as log:
                for line in process.stdout:
                    log.write(line)
                    passed |= bool(re.fullmatch(r"[1-9]\d* passed, 0 failed\n", line))
                    if not line.startswith(f"  {ktap.FAIL}  "):
                        continue
                    failure = " ".join(line.split()[1:])
                    if not failure.startswith(f"{machine} {variant} "):
                        broken.append(failure)
                        continue
                    failure = failure.removeprefix(f"{machine} {variant} ")
                    failures.append(failure)
                    if caught and caught(failure):
                        found = failure
                        break
        finally:
            process.terminate()
            process.stdout.close()
            process.wait()
        logs = self.tree / "build" / config / "check" / machine / variant
        if logs.exists():
            shutil.copytree(logs, folder, dirs_exist_ok=True)
        return Outcome(found, failures, broken, passed, time.monotonic() - started)
