# SPDX-License-Identifier: GPL-2.0
"""One boot of a machine in QEMU, watched from the first line to its end.

The kernel writes to the first serial port, the guest's init to the second; both are files that are read as they
grow. QEMU is a child that dies with this process, however that ends.
"""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
# As in lib.sh: a kernel in tests/kernels, or Debian's own, and what is built for it.
CONFIG = os.environ.get("FERRODMA_CONFIG", "")
BUILD = TOP / "build" / CONFIG

# What a healthy kernel never prints.
SPLATS = re.compile(
    r"WARNING: |BUG: |\bBUG at\b|kernel BUG|Oops|Internal error: |Unable to handle kernel|Call [Tt]race:"
    r"|Kernel panic|rcu: INFO: |RCU.*(?:stall|[Ss]uspicious)|rcu_\w+ (?:kthread|detected).*stall"
    r"|INFO: (?:possible|task .* blocked|trying to register|inconsistent|suspicious|rcu)"
    r"|possible (?:circular|recursive) locking|inconsistent lock state|suspicious RCU usage"
    r"|scheduling while atomic|sleeping function called|DMA-API: .*(?:error|overlap|leak|not checked|different|failed)"
    r"|KASAN: |UBSAN: |KCSAN: |KFENCE: |refcount_t: |list_(?:add|del) corruption|kmemleak: [1-9]"
    r"|Bad page (?:state|map)|nobody cared|free nonexistent resource|swiotlb buffer is full"
    r"|hung_task|soft lockup|hard LOCKUP|rust_kernel: panicked"
)
REPORT_LINES = 60
PANIC = re.compile(r"Kernel panic|Attempted to kill init|---\[ end Kernel panic")


def machine(board):
    """The machine file of a board as a dictionary."""
    path = TOP / "tests" / "boards" / board
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line and line[0] != "#")
    return {key.strip(): value.strip() for key, _, value in pairs}


def boards():
    """The machines that BOARD names; without it, all there are."""
    asked = os.environ.get("BOARD", "").replace(",", " ").split()
    return asked or sorted(path.name for path in (TOP / "tests" / "boards").iterdir())


def command(board, kernel, mode, append="", dtb=None, serial=(), exact=None):
    """The QEMU command for a machine; `dtb` is a name in build/dtbs. An exact one counts time by instructions, the same on
    every run, and writes to the file of this name which code was executed."""
    config = machine(board)
    line = f"console={config['console']} loglevel=7 panic=-1 FERRODMA_MODE={mode} FERRODMA_VERDICT={config['verdict']}"
    # Of two CPUs that share one of the host, one spins for a lock while the other, which has it,
    # waits for the host.
    line += f" maxcpus={1 if exact else max(2, os.cpu_count() or 2)}"
    # With KVM, 7.3.4 warns of itself when a CPU that was unplugged comes back (UBSAN,
    # cpu_set_hyp_vector()).
    line += " kvm-arm.mode=none"
    # A person has more than the tests.
    initrd = BUILD / ("with.cpio" if mode in ("run", "shell") else "initramfs.cpio")
    args = ["qemu-system-aarch64", *shlex.split(config["qemu"])]
    if exact:
        initrd = BUILD / "bench" / "initramfs.cpio"
        # Where things lie is the same on every run, too.
        line += " nokaslr randomize_kstack_offset=off"
        args = [arg.replace("thread=multi", "thread=single") for arg in args]
        args += ["-icount", "shift=0,sleep=off", "-seed", "1"]
        args += ["-plugin", f"{BUILD / 'bench' / 'plugin.so'},out={exact}"]
    args += ["-kernel", str(kernel / "guest" / "vmlinuz"), "-initrd", str(initrd)]
    args += ["-dtb", str(BUILD / "dtbs" / f"{dtb or board + '-machine'}.dtb"), "-append", f"{line} {append}".strip()]
    args += ["-display", "none", "-no-reboot"]
    for port in serial:
        args += ["-serial", port]
    # The kernel ends QEMU if this process is killed outright.
    return ["setpriv", "--pdeathsig", "KILL", *args]


class Tail:
    """The whole lines that a file has grown by."""

    def __init__(self, path):
        path.write_bytes(b"")
        self.file = path.open("rb")
        self.rest = b""

    def lines(self, everything=False):
        data = self.rest + self.file.read()
        *whole, self.rest = data.split(b"\n")
        if everything and self.rest:
            whole, self.rest = [*whole, self.rest], b""
        return [line.decode(errors="replace").rstrip("\r") for line in whole]


class Boot:
    """A running guest. `poll()` gives the new lines of its verdict; `done` says that there will be no more."""

    def __init__(self, name, folder, board, kernel, mode, *, append="", dtb=None, limit=240, exact=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.console_path = folder / "console.log"
        verdict_path = folder / "verdict.log"
        self.error_path = folder / "qemu.log"
        self.console = Tail(self.console_path)
        self.verdict = Tail(verdict_path)
        self.splats = []
        self.report_lines = 0
        self.failure = None
        self.done = False
        self.deadline = time.monotonic() + limit
        self.limit = limit
        self.started = time.monotonic()
        serial = (f"file:{self.console_path}", f"file:{verdict_path}")
        args = command(board, kernel, mode, append, dtb, serial, exact)
        if os.environ.get("V", "0") != "0":
            print("+ " + shlex.join(args), flush=True)
        with self.error_path.open("wb") as errors:
            # A session of its own: Ctrl-C comes to this process alone, which then ends QEMU.
            self.process = subprocess.Popen(
                args, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True
            )

    def poll(self):
        """New lines of the verdict."""
        if self.done:
            return []
        ended = self.process.poll() is not None
        lines = self.verdict.lines(everything=ended)
        self._watch_console(ended)
        if any(line.startswith("FERRODMA-END ") for line in lines):
            # What the kernel still has to say of the last test.
            time.sleep(0.2)
            self._watch_console(True)
            self._end()
        elif self.failure:
            self._end()
        elif ended:
            self._end(f"QEMU ended by itself with status {self.process.returncode}")
        elif time.monotonic() > self.deadline:
            self._end(f"the guest did not finish within {self.limit} s")
        return lines

    def _watch_console(self, everything):
        for line in self.console.lines(everything):
            self.report_lines += 1
            if SPLATS.search(line) and not self._same_report(line):
                self.splats.append(line)
                self.report_lines = 0
            if PANIC.search(line):
                self.failure = "the kernel panicked"

    def _same_report(self, line):
        """The call trace of a report is no second one."""
        return self.splats and "Call trace:" in line and self.report_lines < REPORT_LINES

    def _end(self, failure=None):
        self.failure = self.failure or failure
        self.done = True
        self.seconds = time.monotonic() - self.started
        self.stop()

    def elapsed(self):
        """Seconds since the start."""
        return time.monotonic() - self.started

    def stop(self):
        """End QEMU, if it still runs, by its own process id."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def last_words(self, count=25):
        """What to show when something is wrong: QEMU's complaint, and the console's first report or its end."""
        text = self.error_path.read_text(errors="replace").splitlines()[-5:]
        console = [line.rstrip() for line in self.console_path.read_text(errors="replace").splitlines()]
        if self.splats and self.splats[0] in console:
            first = max(console.index(self.splats[0]) - 3, 0)
            return text + console[first : first + count]
        return text + console[-count:]


def terminate(process):
    """End a process that puts its terminal right again before it goes, if it still runs; outright if it does not go."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_on_signal():
    """The first signal unwinds, so that `finally` ends QEMU; more of them, as make sends, do not disturb that."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def handler(number, _frame):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in numbers:
        signal.signal(number, handler)
