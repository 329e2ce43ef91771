"""Property tests have the same examples in every run, whatever else is imported."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def _examples() -> list[tuple[int, str]]:
    drawn: list[tuple[int, str]] = []

    @given(st.integers(0, 10**6), st.text())
    def draw(number: int, text: str) -> None:
        drawn.append((number, text))

    draw()
    return drawn


def test_a_module_that_is_imported_meanwhile_changes_no_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _examples()
    path = tmp_path / "numbers_of_ours.py"
    path.write_text(f"NUMBERS = {[*range(500_000, 500_500)]}\nWORDS = {[chr(97 + n) * 7 for n in range(26)]}\n")
    spec = importlib.util.spec_from_file_location("numbers_of_ours", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "numbers_of_ours", module)
    spec.loader.exec_module(module)
    assert _examples() == before
