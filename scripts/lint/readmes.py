#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""readmes.py <tree> <file>: check the READMEs of a tree, and write what to run of them to the file.

- README.md is a page; lines are not too long.
- Relative links lead to a file of the tree, and anchors to a heading.
- In code type, paths exist, and names of code occur in the tree.
- Each block of C is one of the examples, which the suite compiles and runs.
- Each command in a block of sh is one that is run: by readme.sh, which finds it in the file; as a
  target of make; or by a script of the suite in the same form. Any other block starts with a
  comment that says "Not tried", and where.
"""

import collections
import os
import pathlib
import re
import subprocess
import sys

PAGES = ("README.md", "CHANGELOG.md")
LINES = 200
COLUMNS = 100

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`]+)`")
# A path in a folder of the tree, without what stands for something else.
PATH = re.compile(r"(?:src|dts|tests|scripts|LICENSES|\.ci)/[\w./,+-]+")
# What the tree has to have somewhere else than in a README, but for what is not ours.
NAME = re.compile(r"[A-Za-z]\w*_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*")
FOREIGN = {"fdtoverlay_addr_r", "my_driver", "modules_prepare"}
NOT_TRIED = re.compile(r"# Not tried\b")
# What looks like a command where it stands first in a line.
COMMAND = re.compile(r"(make|gcc|insmod|rmmod|modprobe|apt-get|sudo|cp|sh|echo|scripts/\S+) ")
# Run as they are.
RUN = re.compile(r"(scripts/\S*enter\.sh )?(\w+-linux-gnu-)?gcc |make help$")

# Targets of make, and what runs them or what they do.
TARGETS = {
    "run": "make check",
    "shell": "make check",
    "modules": "make check",
    "dtbs": "make check",
    "lint": "make check",
    "host": "make check",
    "test": "make check boots in the same way",
    "check": "CI",
    "check-debug": "CI",
    "check-all": "by hand, for a night or a tag",
    "bench": "CI",
    "self-test": "CI",
    "mutants": "by hand, after changes of the tests",
}
# Commands that a script of the suite runs in the same form.
ELSEWHERE = {
    "make -C <kernel tree> M=$PWD FERRODMA=<clone>/build/modules modules": "outside.sh",
}


class Tree:
    """A clone, or a copy of one."""

    def __init__(self, top):
        self.top = pathlib.Path(top).resolve()
        self.complaints = []
        self.commands = []
        self.files = []
        for folder, folders, names in os.walk(self.top):
            # What is built is not walked through.
            folders[:] = [name for name in folders if name not in (".git", "build")]
            self.files += [pathlib.Path(folder, name) for name in names]
        self.pages = sorted(path for path in self.files if path.name in PAGES)
        self.examples = [path for path in self.files if re.fullmatch(r"example_\w+\.c", path.name)]
        self.words = set()
        for path in self.files:
            self.words.add(path.stem)
            if path.suffix not in (".md", ".svg"):
                self.words.update(re.findall(r"\w+", path.read_text(errors="replace")))

    def complain(self, page, line, what):
        self.complaints.append(f"{page.relative_to(self.top)}:{line}: {what}")


def parts(text):
    """Returns lines outside of blocks, and blocks as language and lines, each with its number."""
    prose, blocks, block = [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            if block:
                blocks.append(block)
                block = None
            else:
                block = (number, line[3:], [])
        elif block:
            block[2].append((number, line))
        else:
            prose.append((number, line))
    return prose, blocks


def anchors(prose):
    """As the usual viewers name headings."""
    seen = collections.Counter()
    names = set()
    for _, line in prose:
        if match := re.match(r"#+ (.*)", line):
            name = re.sub(r"[^\w\- ]", "", match[1].lower()).replace(" ", "-")
            names.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
    return names


def check_links(tree, page, prose):
    """Links may be broken at the end of a line."""
    text = "\n".join(line for _, line in prose)
    numbers = [number for number, _ in prose]
    for match in LINK.finditer(text):
        line = numbers[text.count("\n", 0, match.start(1))]
        target = match[1]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        if not to.exists() or not to.is_relative_to(tree.top):
            tree.complain(page, line, f"leads nowhere: {target}")
        elif anchor and (to.suffix != ".md" or anchor not in anchors(parts(to.read_text())[0])):
            tree.complain(page, line, f"no heading for {target}")


def check_code(tree, page, prose):
    """What is in code type."""
    for number, line in prose:
        for code in CODE.findall(line):
            if code.startswith("make "):
                check_targets(tree, page, number, code.split()[1:])
            for path in PATH.findall(code) if PATH.fullmatch(code.split()[0]) else ():
                if not (tree.top / path.rstrip("/")).exists():
                    tree.complain(page, number, f"there is no {path}")
            if "/" in code or "<" in code or "-" in code or "=" in code:
                continue
            for name in NAME.findall(code):
                if name not in tree.words | FOREIGN:
                    tree.complain(page, number, f"occurs nowhere: {name}")


def check_targets(tree, page, number, words):
    """Targets and variables of make, which are returned."""
    makefile = (tree.top / "Makefile").read_text()
    given = dict(word.split("=", 1) for word in words if "=" in word)
    for variable in given:
        if not re.search(rf"\b{variable}\b", makefile):
            tree.complain(page, number, f"the Makefile has no {variable}")
    targets = [word for word in words if "=" not in word and word not in FOREIGN]
    for target in targets:
        if not re.search(rf"^{re.escape(target)}:", makefile, re.M):
            tree.complain(page, number, f"there is no target {target}")
    return targets, given


def check_make(tree, page, number, words):
    """A command of make: its targets and the names that it gives."""
    targets, given = check_targets(tree, page, number, words)
    for target in targets:
        if target not in TARGETS:
            tree.complain(page, number, f"readmes.py does not know what runs make {target}")
    # What make itself refuses.
    settings = next(path for path in tree.files if path.name == "settings.sh")
    for target in targets if given else ():
        # A program that a README names is not built here.
        environment = os.environ | {name: given[name] for name in given if name != "WITH"}
        asked = subprocess.run([settings, target], env=environment, capture_output=True, text=True)
        if asked.returncode:
            tree.complain(page, number, asked.stderr.partition(";")[0].strip())


def check_commands(tree, page, lines):
    """A block of sh."""
    if NOT_TRIED.match(lines[0][1]):
        return
    whole = ""
    for number, line in lines:
        whole += line
        if whole.endswith("\\"):
            whole = whole[:-1]
            continue
        line, whole = " ".join(whole.split()), ""
        if RUN.match(line):
            tree.commands.append(line)
        elif line in ELSEWHERE:
            continue
        elif line.startswith("make "):
            check_make(tree, page, number, line.split()[1:])
        else:
            tree.complain(page, number, f"nothing runs: {line}")


def check_page(tree, page):
    text = page.read_text()
    prose, blocks = parts(text)
    lines = text.count("\n")
    if page == tree.top / "README.md" and lines > LINES:
        tree.complain(page, lines, f"more than {LINES} lines")
    for number, line in prose + [numbered for _, _, block in blocks for numbered in block]:
        # A table cannot be broken, and neither can a link.
        if len(line) > COLUMNS and " " in line and not line.startswith("|"):
            tree.complain(page, number, f"more than {COLUMNS} columns")
    for number, line in prose:
        if line.startswith("    "):
            tree.complain(page, number, "a block without a language")
    check_links(tree, page, prose)
    check_code(tree, page, prose)
    for number, language, block in blocks:
        if not language or not block:
            tree.complain(page, number, "a block without a language, or without code")
        elif language == "sh":
            check_commands(tree, page, block)
        elif language == "c":
            shown = "".join(line + "\n" for _, line in block)
            if not any(shown == path.read_text() for path in tree.examples):
                tree.complain(page, number, "is not one of the examples: put the file there")
        else:
            for at, line in block:
                if COMMAND.match(line):
                    tree.complain(page, at, "a command outside of a block of sh")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    tree = Tree(sys.argv[1])
    for page in tree.pages:
        check_page(tree, page)
    # Each example can be compiled in this way.
    shown = next((command for command in tree.commands if "example_coherent.c" in command), None)
    if shown:
        for path in tree.examples:
            source = str(path.relative_to(tree.top))
            tree.commands.append(re.sub(r"\S+example_coherent\.c", source, shown))
    pathlib.Path(sys.argv[2]).write_text("".join(f"{command}\n" for command in tree.commands))
    for complaint in tree.complaints:
        print(complaint)
    sys.exit(1 if tree.complaints else 0)


main()
