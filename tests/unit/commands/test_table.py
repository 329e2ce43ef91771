"""Columns for people."""

from __future__ import annotations

from services.commands.table import table, time_text


def test_columns_are_aligned_and_numbers_stand_right() -> None:
    assert list(table(("name", "count", "why"), [("crm", 7, None), ("helpdesk", 12, "gone")])) == [
        "name      count  why",
        "crm           7  -",
        "helpdesk     12  gone",
    ]


def test_without_rows_there_is_nothing() -> None:
    assert list(table(("name",), [])) == []


def test_what_would_move_the_cursor_is_not_printed() -> None:
    assert list(table(("name",), [("a\x1b[2Jb\n",)])) == ["name", "a?[2Jb?"]


def test_a_time_is_short() -> None:
    assert time_text("2026-03-07T12:00:00.123456Z") == "2026-03-07 12:00:00Z"
    assert time_text(None) == ""
