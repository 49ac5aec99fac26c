#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""shelltest.py <machine> [poweroff|halt|reboot|exit|quit]...: whether scripts/boot shell ends, and with 0, by each of these; by
all of them where none is named.

Types into a terminal of its own. Runs with the toolchain, on a guest that is built; FERRODMA_KERNEL names the prepared kernel.
"""

import os
import pathlib
import pty
import re
import select
import signal
import sys
import time

BOOT = pathlib.Path(__file__).resolve().parent / "boot"
# The last two are the end of input, and QEMU's own key.
LEAVE = {"poweroff": b"poweroff\r", "halt": b"busybox halt -f\r", "reboot": b"reboot\r", "exit": b"\x04", "quit": b"\x01x"}

# busybox asks the terminal where the cursor is.
PROMPT = re.compile(rb"~ # (\x1b\[6n)?$")


def read(terminal, limit, until=None):
    """What comes within so many seconds, and whether `until` is at its end, or, without that, the terminal is closed."""
    seen = b""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            seen += os.read(terminal, 65536)
        except OSError:
            return seen, until is None
        if until and until.search(seen):
            return seen, True
    return seen, False


def ends_by(keys):
    """Whether it does; what was on the terminal is shown otherwise."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(BOOT, [BOOT, "shell"])
    seen, good = read(terminal, 60, PROMPT)
    if good:
        os.write(terminal, keys)
        more, good = read(terminal, 20)
        seen += more
    if not good:
        os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    if not good or status:
        print(seen.decode(errors="replace"))
    return good and status == 0


def main():
    board, *names = sys.argv[1:]
    os.environ["BOARD"] = board
    failed = [name for name in names or LEAVE if not ends_by(LEAVE[name])]
    for name in failed:
        print(f"make shell BOARD={board} does not end by {name}")
    sys.exit(1 if failed else 0)


main()
