#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""shelltest.py <machine> [poweroff|halt|reboot|exit|quit]...: whether boot shell gives what it
promises, and ends, with 0, by each of these; by all of them where none is named. And whether boot
run executes a program, and ends as that does.

Types into a terminal of its own. Runs with the toolchain, on a guest that is built;
FERRODMA_KERNEL names the prepared kernel.
"""

import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

SCRIPTS = pathlib.Path(__file__).resolve().parents[1]
BOOT = SCRIPTS / "harness" / "boot"
# The last two are the end of input, and QEMU's own key.
LEAVE = {"poweroff": b"poweroff\r", "halt": b"busybox halt -f\r", "reboot": b"reboot\r", "exit": b"\x04", "quit": b"\x01x"}

# What is typed, and what the guest answers.
ROWS, COLUMNS = 33, 99
PROMISES = [
    (b"stty size", b"%d %d" % (ROWS, COLUMNS)),
    (b"cat /with/folder/file", b"brought along"),
    (b"su user -c 'id -u; cat /with/folder/file'", b"1000\nbrought along"),
    # A program that is not static.
    (b"strace -c -o /tmp/calls sh -c 'echo traced' && grep -c execve /tmp/calls", b"traced\n1"),
]

# A program for scripts/harness/boot run, the last of what that prints, and how both end.
PROGRAM = "#!/bin/sh\nls /dev/ferrodma-sg0\nprintf unfinished\nexit 7\n"
PRINTED = ["/dev/ferrodma-sg0", "unfinished", "failed: program ended with 7"]
STATUS = 7

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


def keeps(terminal):
    """What was typed and not answered as it should be, and all that was seen."""
    broken, everything = [], b""
    for command, answer in PROMISES:
        os.write(terminal, command + b"\r")
        seen, _ = read(terminal, 20, PROMPT)
        everything += seen
        # The answer is on lines of its own, behind the command itself.
        if b"\n" + answer + b"\n" not in seen.replace(b"\r", b""):
            broken.append(command.decode())
    return broken, everything


def pack(content):
    """Has WITH brought into the guest."""
    os.environ["WITH"] = str(content)
    subprocess.run([SCRIPTS / "guest" / "with.sh"], check=True)


def ends_by(keys, promises):
    """Whether it does, and keeps the promises if that is asked.

    What was on the terminal is shown otherwise.
    """
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execv(BOOT, [BOOT, "shell"])
    seen, good = read(terminal, 60, PROMPT)
    if good and promises:
        broken, more = keeps(terminal)
        seen += more
        for command in broken:
            print(f"make shell does not answer this as it should: {command}")
        good = not broken
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


def runs(folder):
    """Whether the program is executed, its lines come last and the end is its own."""
    program = folder / "program"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    pack(program)
    ended = subprocess.run(
        [BOOT, "run"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
    )
    good = ended.returncode == STATUS and ended.stdout.splitlines()[-len(PRINTED) :] == PRINTED
    if not good:
        print(f"make run ends with {ended.returncode}, and does not run this as it should:")
        print(PROGRAM, ended.stdout, sep="\n")
    return good


def main():
    board, *names = sys.argv[1:]
    os.environ["BOARD"] = board
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "folder").mkdir()
        (folder / "folder" / "file").write_text("brought along\n")
        pack(folder)
        asked = names or list(LEAVE)
        failed = [name for name in asked if not ends_by(LEAVE[name], name == asked[0])]
        good = runs(folder)
    for name in failed:
        print(f"make shell BOARD={board} does not end by {name}")
    sys.exit(1 if failed or not good else 0)


main()
