# SPDX-License-Identifier: GPL-2.0
"""What the benchmark has measured, as a picture: of each machine what the size of a copy costs, and what its pieces do."""

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


def panel(board, rows, label, axis, works, contestants):
    """The commands for one panel."""
    data, lines = [], []
    for who in contestants:
        points = [(benchtable.WORKS[work][axis], benchtable.cost(rows, who, work)) for work in works]
        points = [point for point in points if point[1] is not None]
        if not points:
            continue
        block = f"$data{len(lines)}"
        data += [f"{block} << END", *(f"{x} {y}" for x, y in points), "END"]
        lines.append(f'{block} with linespoints {STYLES[who]} title "{benchtable.CONTESTANTS[who]}"')
    tics = ", ".join(f'"{benchtable.WORKS[work][0] if axis == 0 else work}" {benchtable.WORKS[work][axis]}' for work in works)
    return data + [
        f'set title "{board}"',
        f"set xtics ({tics})",
        f'set xlabel "{label}"',
        "plot " + ", \\\n     ".join(lines),
    ]


def svg(machines, path):
    """Draws what was measured on some machines."""
    commands = [
        f'set terminal svg size 1100,{520 * len(machines)} font "sans-serif,12" background "white" noenhanced',
        f'set output "{path}"',
        f"set multiplot layout {len(machines)},{len(PANELS)}",
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
            commands += panel(board, machine["transfers"], *each)
    commands += ["unset multiplot"]
    subprocess.run(["gnuplot"], input="\n".join(commands) + "\n", text=True, check=True)
