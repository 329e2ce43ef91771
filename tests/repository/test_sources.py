"""What holds for every file: length, docstrings, and words that must not be there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.repository.tree import ROOT, repository_files

LONGEST = 400
GENERATED = ROOT / "switchhook" / "v1"
MODULES = [path for path in repository_files(".py") if GENERATED not in path.parents]
NOT_TEXT = (".mp3", ".wav", ".png", ".ico", ".woff2")

# Written in parts, so that this file does not hold what it looks for.
FORBIDDEN = {
    "the host of a package registry": "|".join(
        (
            "pypi" + r"\.org",
            "python" + "hosted",
            "registry" + r"\.npmjs",
            "deb" + r"\.debian\.org",
            "archive" + r"\.ubuntu\.com",
            "proxy" + r"\.golang\.org",
        )
    ),
    "a path of a developer's machine": "|".join(
        (
            r"(?<![\w.~-])/" + r"work/",
            r"(?<![\w.~-])/" + r"root/",
            r"(?<![\w.~-])/" + r"home/[a-z]+/",
            r"(?<![\w.~-])/" + r"Users/[a-z]+/",
            r"/opt/" + "wheels",
        )
    ),
    "a mark of unfinished work": r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b",
}


def test_no_module_is_longer_than_can_be_read() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_module_says_what_it_is_for() -> None:
    trees = {str(path.relative_to(ROOT)): ast.parse(path.read_bytes()) for path in MODULES}
    silent = [name for name, tree in trees.items() if tree.body and ast.get_docstring(tree) is None]
    assert silent == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_forbidden_is_written_anywhere(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for path in repository_files():
        if path.name.endswith(NOT_TEXT) or not path.exists():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []
