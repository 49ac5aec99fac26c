#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""layers.py [<folder>]: check that each file of the helper imports only from layers further down
the table in ferrodma.rs, and names them in a way that can be checked."""

import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "src/ferrodma"
# A string, or a comment.
SKIPPED = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.S)
# Imports that say too little of where they lead.
VAGUE = re.compile(r"\bcrate::\*|\bcrate::\{\s*self\b|\bsuper::super\b|\buse crate\b(?!::)")


def imports(code):
    """The modules of the crate that a file names."""
    yield from re.findall(r"\bcrate::(\w+)", code)
    for match in re.finditer(r"\bcrate::\{", code):
        depth, word = 1, True
        for token in re.findall(r"[{},]|\w+|::", code[match.end() :]):
            depth += {"{": 1, "}": -1}.get(token, 0)
            if not depth:
                break
            if depth == 1 and token == ",":
                word = True
            elif word and depth == 1:
                yield token
                word = False


def check(folder):
    """What is wrong, in lines."""
    root = (folder / "ferrodma.rs").read_text()
    rows = re.findall(r"^//! \| (\[.*?) \|", root, re.M)
    layers = [name for row in rows for name in re.findall(r"\[`(\w+)`\]", row)]
    modules = re.findall(r"^(?:pub(?:\(\w+\))? )?mod (\w+);", root, re.M)
    for name in modules:
        if name not in layers:
            yield f"ferrodma.rs: the table of layers lacks {name}"
    for path in sorted(folder.rglob("*.rs")):
        parts = path.relative_to(folder).with_suffix("").parts
        if parts[0] not in layers:
            continue
        code = SKIPPED.sub(" ", path.read_text())
        where = path.relative_to(folder)
        if VAGUE.search(code) or len(parts) == 1 and re.search(r"\bsuper::", code):
            yield f"{where}: name a layer as crate::<layer>, so that this lint sees it"
        for name in dict.fromkeys(imports(code)):
            if name in layers and layers.index(name) < layers.index(parts[0]):
                yield f"{where}: {parts[0]} imports from {name}, which is a layer above"


wrong = list(check(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
print("\n".join(wrong), end="\n" if wrong else "")
sys.exit(bool(wrong))
