# SPDX-License-Identifier: GPL-2.0
"""What the benchmark has measured, as a table, and what must hold of it."""

KIB, MIB = 1 << 10, 1 << 20

# Columns: what is copied, as segments and the bytes of each.
WORKS = {
    "64 B": (1, 64),
    "4 KiB": (1, 4 * KIB),
    "64 KiB": (1, 64 * KIB),
    "1 MiB": (1, MIB),
    "16 x 64 B": (16, 64),
    "256 x 64 B": (256, 64),
}
# Those of one piece.
SINGLE = [work for work, (segments, _) in WORKS.items() if segments == 1]

# Lines: who does it.
CONTESTANTS = {
    "cpu": "memcpy()",
    "ioctl": "an ioctl that does nothing",
    "dmatest": "the kernel's driver under dmatest",
    "twin": "driver in C, coherent memory",
    "kernel": "ferrodma in the kernel, coherent memory",
    "coherent-waiting": "ferrodma_coherent, program waits",
    "coherent-queued": "ferrodma_coherent, full queue",
    "twin-mapped": "driver in C, mapped and unmapped",
    "kernel-mapped": "ferrodma in the kernel, mapped and unmapped",
    "sg-waiting": "ferrodma_sg, program waits",
    "sg-queued": "ferrodma_sg, full queue",
    "pool-waiting": "ferrodma_pool, program waits",
    "pool-queued": "ferrodma_pool, full queue",
}

# Lines of README.md: what a copy costs the CPU where a program waits for it.
DRIVERS = {
    "coherent-waiting": "ferrodma_coherent",
    "sg-waiting": "ferrodma_sg",
    "pool-waiting": "ferrodma_pool",
}

MODULES = ("ferrodma", "ferrodma_coherent", "ferrodma_sg", "ferrodma_pool")

# How jobs are shared out, by how many, and what a line says of that.
SCALE = {
    "channels": ((1, 2, 4, 8), "{} channel{s}, a job on each, then a call to wait for each"),
    "processes": ((1, 4, 16), "{} process{es} on one channel, waiting in the call"),
}
# The smaller ones are polled for, the others interrupt.
SCALE_SIZES = {"4 KiB": 4 * KIB, "8 KiB": 8 * KIB}

# Of each contestant, whatever it copies.
EVENTS = {"interrupts": "interrupts", "switches": "switches", "allocations": "allocations"}


def rows_of(rows, who):
    return [row for row in rows if row["who"] == who]


def cost(rows, who, work):
    """Instructions; None where it was not measured."""
    segments, size = WORKS[work]
    for row in rows_of(rows, who):
        if (row["segments"], row["bytes"]) == (segments, size):
            return row["instructions"]
    return None


def span(values):
    """Numbers as one, or as the first and last of a range."""
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low}-{high}"


def markdown(lines):
    """Lines of cells as a table that people can read as well."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = []
    for line in lines:
        cells = [line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        text.append("| " + " | ".join(cells) + " |")
    rule = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    text.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(text)


def transfers(rows):
    """The table of one machine."""
    lines = [["instructions per transfer", *WORKS, "64 B: in modules", *EVENTS.values()]]
    for who, title in CONTESTANTS.items():
        own = rows_of(rows, who)
        if not own:
            continue
        if who == "ioctl":
            numbers = [own[0]["instructions"]] + [None] * (len(WORKS) - 1)
        else:
            numbers = [cost(rows, who, work) for work in WORKS]
        numbers.append(own[0].get("modules"))
        cells = ["" if number is None else f"{number:,}" for number in numbers]
        lines.append([title, *cells, *(span([row[event] for row in own]) for event in EVENTS)])
    return markdown(lines)


def scale_cost(rows, who, number, size):
    """Instructions per job; None where it was not measured."""
    for row in rows_of(rows, who):
        if (row[who], row["bytes"]) == (number, SCALE_SIZES[size]):
            return row["instructions"]
    return None


def scale(machines):
    """The table of more channels and processes, of all machines."""
    lines = [["instructions per job", *(f"`{board}`, {size}" for board in machines for size in SCALE_SIZES)]]
    for who, (numbers, title) in SCALE.items():
        for number in numbers:
            costs = [scale_cost(machine["scale"], who, number, size) for machine in machines.values() for size in SCALE_SIZES]
            many = number > 1
            title_of = title.format(number, s="s" * many, es="es" * many)
            lines.append([title_of, *("" if cost is None else f"{cost:,}" for cost in costs)])
    return markdown(lines)


def modules(sizes, machine):
    """The table of the modules."""
    kinds = ("text", "rodata", "data")
    lines = [["bytes", *kinds, "of an open file", "of a bound channel, without its buffer"]]
    for name, of_module in sizes.items():
        who = "twin" if name == "driver in C" else name.removeprefix("ferrodma_")
        memory = [machine[of].get(who) for of in ("open files", "bound channels")]
        cells = [f"{each['bytes']:,}" if each else "" for each in memory]
        lines.append([name, *(f"{of_module[kind]:,}" for kind in kinds), *cells])
    return markdown(lines)


def report(measured):
    """All tables."""
    text = []
    for board, machine in measured["machines"].items():
        text += [f"`{board}`:", transfers(machine["transfers"])]
    text.append(scale(measured["machines"]))
    for machine in list(measured["machines"].values())[:1]:
        text.append(modules(measured["modules"], machine))
    return "\n" + "\n\n".join(text) + "\n"


def pays(rows, who):
    """Says from which size on a copy costs less than memcpy(), of the sizes that were measured."""
    sizes = [work for work in SINGLE if cost(rows, who, work)]
    first = None
    for work in reversed(sizes):
        if cost(rows, who, work) >= cost(rows, "cpu", work):
            break
        first = work
    if first:
        return f"from {first} on"
    return f"not up to {sizes[-1]}" if sizes else "not measured"


def summary(measured):
    """The table of README.md: costs on the first machine, and from which size on a job pays on all."""
    machines = {board: machine["transfers"] for board, machine in measured["machines"].items()}
    board, rows = next(iter(machines.items()))
    lines = [[f"instructions on `{board}`", *SINGLE, "less than memcpy()"]]
    for who, title in {"cpu": CONTESTANTS["cpu"], **DRIVERS}.items():
        numbers = [cost(rows, who, work) for work in SINGLE]
        cells = ["" if number is None else f"{number:,}" for number in numbers]
        verdicts = {}
        if who in DRIVERS:
            verdicts = {board: pays(of_board, who) for board, of_board in machines.items()}
        if len(set(verdicts.values())) > 1:
            said = "; ".join(f"{verdict} (`{board}`)" for board, verdict in verdicts.items())
        else:
            said = "".join(set(verdicts.values()))
        lines.append([title, *cells, said])
    return "\n" + markdown(lines) + "\n\n"


def further(rows, who, few="16 x 64 B", many="256 x 64 B"):
    """Instructions for each segment beyond the first few."""
    costs = [cost(rows, who, work) for work in (few, many)]
    if None in costs:
        return None
    return (costs[1] - costs[0]) / (WORKS[many][0] - WORKS[few][0])


def checks(machine):
    """Lines that say how ferrodma stands, each with whether that is good enough."""
    rows = machine["transfers"]

    def c(who, work):
        return cost(rows, who, work)

    kernel, program = c("kernel", "4 KiB"), c("coherent-waiting", "4 KiB")
    ioctl = next((row["instructions"] for row in rows_of(rows, "ioctl")), None)
    on_top = program - kernel if kernel and program else None
    ratios = [
        ("kernel, 4 KiB, to the driver in C", kernel, c("twin", "4 KiB"), 1.05),
        # The driver in C itself is at 0.21.
        ("kernel, 4 KiB, to dmatest", kernel, c("dmatest", "4 KiB"), 0.25),
        ("256 segments mapped, to the driver in C", c("kernel-mapped", "256 x 64 B"), c("twin-mapped", "256 x 64 B"), 1.05),
        ("a further segment, to the driver in C", further(rows, "kernel-mapped"), further(rows, "twin-mapped"), 1.05),
        ("a further segment of 256, to one of 16",
            further(rows, "kernel-mapped"), further(rows, "kernel-mapped", "64 B", "16 x 64 B"), 1.05),
        # An empty call copies nothing in or out; this one copies five times.
        ("what a program that waits pays on top of the kernel, 4 KiB, to an empty ioctl", on_top, ioctl, 3),
        # Neither has to do with an interrupt or another thread, so there is nothing that a queue
        # would share out.
        ("full queue of pool jobs, to waiting", c("pool-queued", "64 B"), c("pool-waiting", "64 B"), 1.3),
    ]
    for who, (numbers, _) in SCALE.items():
        for size in SCALE_SIZES:
            first, *others = (scale_cost(machine["scale"], who, number, size) for number in numbers)
            ratios += [
                (f"{size}, {number} {who} to 1", cost, first, 1.05) for number, cost in zip(numbers[1:], others)
            ]
    for name, ours, theirs, most in ratios:
        if ours is None or theirs is None:
            yield f"{name}: not measured", False
        else:
            ratio = ours / theirs
            yield f"{name}: {ours:,.0f} / {theirs:,.0f} = {ratio:.3f}, at most {most}", ratio <= most
    for who in ("coherent", "sg", "pool"):
        for way in ("waiting", "queued"):
            own = rows_of(rows, f"{who}-{way}")
            allocated = max((row["allocations"] + row["pages"] for row in own), default=None)
            yield f"allocations of ferrodma_{who}, {way}: {allocated}, at most 0", allocated == 0
    for what in ("open files", "bound channels"):
        for who in ("coherent", "sg", "pool") + ("twin",) * (what == "bound channels"):
            if who not in machine[what]:
                yield f"{what} of {who}: not measured", False
