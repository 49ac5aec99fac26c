#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""layers.py [<folder>]: check that each file of the helper imports only from layers further down the table in ferrodma.rs."""

import pathlib
import re
import sys

FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2] / "src/ferrodma")


def imports(code):
    """The modules of the crate that a file without comments names."""
    for block in re.findall(r"\buse crate::\{(.*?)\n\};", code, re.S):
        while (flat := re.sub(r"\{[^{}]*\}", "", block)) != block:
            block = flat
        yield from re.findall(r"(?:^|,)\s*(\w+)", block)
    yield from re.findall(r"\bcrate::(\w+)", code)


root = (FOLDER / "ferrodma.rs").read_text()
rows = re.findall(r"^//! \| (\[.*?) \|", root, re.M)
layers = [name for row in rows for name in re.findall(r"\[`(\w+)`\]", row)]
modules = re.findall(r"^(?:pub )?mod (\w+);", root, re.M)
wrong = [f"ferrodma.rs: the table of layers lacks {name}" for name in modules if name not in layers]
for path in sorted(FOLDER.rglob("*.rs")):
    layer = path.relative_to(FOLDER).parts[0].removesuffix(".rs")
    if layer == "ferrodma":
        continue
    code = re.sub(r"//.*", "", path.read_text())
    for name in dict.fromkeys(imports(code)):
        if name in layers and layers.index(name) < layers.index(layer):
            wrong.append(f"{path.relative_to(FOLDER)}: {layer} imports from {name}, which is a layer above")
print("\n".join(wrong), end="\n" if wrong else "")
sys.exit(bool(wrong))
