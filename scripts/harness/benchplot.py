# SPDX-License-Identifier: GPL-2.0
"""What the benchmark has measured, as a picture: of each machine what the size of a copy costs, what its pieces do, and what
more channels and processes do."""

import subprocess

import benchtable

# Panels: what is along the x axis, and the works and contestants that are in it.
PANELS = [
    (
        "bytes, in one segment",
        1,
        ["64 B", "4 KiB", "64 KiB", "1 MiB"],
        ["cpu", "dmatest", "twin", "kernel", "coherent-waiting", "twin-mapped", "kernel-mapped", "sg-waiting"],
    ),
    (
        "segments of 64 bytes",
        0,
        ["64 B", "16 x 64 B", "256 x 64 B"],
        ["twin-mapped", "kernel-mapped", "coherent-waiting", "sg-waiting", "pool-waiting"],
    ),
]

# The same everywhere: a driver in C is thin and grey, the kernel is dashed.
STYLES = {
    "cpu": 'lw 1 lc rgb "#000000" dt 3 pt 0',
    "dmatest": 'lw 2 lc rgb "#999999" pt 9',
    "twin": 'lw 1 lc rgb "#666666" pt 1',
    "twin-mapped": 'lw 1 lc rgb "#666666" dt 2 pt 2',
    "kernel": 'lw 2 lc rgb "#b7410e" pt 7',
    "kernel-mapped": 'lw 2 lc rgb "#b7410e" dt 2 pt 6',
    "coherent-waiting": 'lw 2 lc rgb "#1f77b4" pt 5',
    "sg-waiting": 'lw 2 lc rgb "#2ca02c" pt 11',
    "pool-waiting": 'lw 2 lc rgb "#9467bd" pt 13',
}


def panel(title, label, tics, curves):
    """The commands for one panel; a curve has points, a style and a name."""
    data, lines = [], []
    for points, style, name in curves:
        points = [point for point in points if point[1] is not None]
        if not points:
            continue
        block = f"$data{len(lines)}"
        data += [f"{block} << END", *(f"{x} {y}" for x, y in points), "END"]
        lines.append(f'{block} with linespoints {style} title "{name}"')
    return data + [
        f'set title "{title}"',
        "set xtics (" + ", ".join(f'"{text}" {x}' for x, text in tics) + ")",
        f'set xlabel "{label}"',
        "plot " + ", \\\n     ".join(lines),
    ]


def transfers(board, rows, label, axis, works, contestants):
    """A panel of PANELS."""
    curves = []
    for who in contestants:
        points = [(benchtable.WORKS[work][axis], benchtable.cost(rows, who, work)) for work in works]
        curves.append((points, STYLES[who], benchtable.CONTESTANTS[who]))
    tics = [(benchtable.WORKS[work][axis], benchtable.WORKS[work][0] if axis == 0 else work) for work in works]
    return panel(board, label, tics, curves)


def scale(board, rows):
    """The panel of more channels and processes. Costs that do not grow are level lines, above zero."""
    curves, tics = [], set()
    for (who, (numbers, _)), shape in zip(benchtable.SCALE.items(), ("5", "7")):
        tics |= set(numbers)
        for size, color in zip(benchtable.SCALE_SIZES, ("#1f77b4", "#b7410e")):
            points = [(number, benchtable.scale_cost(rows, who, number, size)) for number in numbers]
            curves.append((points, f'lw 2 lc rgb "{color}" pt {shape}', f"{size}, more {who}"))
    label = "channels of one process, or processes on one channel"
    return [
        "unset logscale y",
        "set yrange [0:*]",
        *panel(board, label, [(number, number) for number in sorted(tics)], curves),
        "set logscale y",
        "set yrange [*:*]",
    ]


def svg(machines, path):
    """Draws what was measured on some machines."""
    commands = [
        f'set terminal svg size 1650,{520 * len(machines)} font "sans-serif,12" background "white" noenhanced',
        f'set output "{path}"',
        f"set multiplot layout {len(machines)},{len(PANELS) + 1}",
        "set logscale xy",
        "set xrange [*:*] noextend",
        "set offsets graph 0.05, graph 0.05, 0, 0",
        'set format y "%.0s%c"',
        'set ylabel "instructions per transfer"',
        "set grid",
        'set key below maxcols 2 samplen 3 reverse Left font ",10"',
    ]
    for board, machine in machines.items():
        for each in PANELS:
            commands += transfers(board, machine["transfers"], *each)
        commands += scale(board, machine["scale"])
    commands += ["unset multiplot"]
    subprocess.run(["gnuplot"], input="\n".join(commands) + "\n", text=True, check=True)
