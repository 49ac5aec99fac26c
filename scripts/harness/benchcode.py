# SPDX-License-Identifier: GPL-2.0
"""Which code the instructions of a transfer were in: what QEMU's plugin has recorded, with the names of the guest's kernel."""

import base64
import bisect
import collections
import gzip

# Where arm64 has its modules, right below the kernel.
MODULES = range(0xFFFF800000000000, 0xFFFF800080000000)


def records(path):
    """What was executed, an address with a number each, in the order of the contestants."""
    counts, done = {}, []
    for line in path.read_text().splitlines():
        if line == "end":
            done.append(counts)
            counts = {}
        else:
            address, count = line.split()
            counts[int(address, 16)] = int(count)
    # Each contestant ends one, and before that one of what was not its own.
    return done[1::2]


class Names:
    """The functions of the kernel and its modules."""

    def __init__(self, encoded):
        lines = gzip.decompress(base64.b64decode("".join(encoded))).decode().splitlines()
        found = sorted((int(address, 16), " ".join(name)) for address, *name in (line.split() for line in lines))
        self.addresses = [address for address, _ in found]
        self.names = [name for _, name in found]

    def of(self, address):
        index = bisect.bisect_right(self.addresses, address) - 1
        if address < MODULES.start or index < 0:
            return "the program"
        return self.names[index]


def attribute(rows, path, encoded, report):
    """Adds to each result how many instructions were in modules, and writes a report of the functions."""
    names = Names(encoded)
    rows = [row for row in rows if "recorded" in row]
    recorded = records(path)
    if len(rows) != len(recorded):
        raise ValueError(f"{path} has {len(recorded)} records for {len(rows)} results")
    with report.open("w") as out:
        for row, counts in zip(rows, recorded):
            rounds = row.pop("recorded")
            inside = sum(count for address, count in counts.items() if address in MODULES)
            row["modules"] = round(inside / rounds)
            functions = collections.Counter()
            for address, count in counts.items():
                functions[names.of(address)] += count
            print(f"\n{row['who']} {row['segments']} x {row['bytes']} bytes: {row['instructions']} instructions, "
                  f"{row['modules']} in modules", file=out)
            for name, count in functions.most_common():
                print(f"{count / rounds:12.1f}  {name}", file=out)
