"""The query options of OData that the simulated PBX understands, and those that it refuses."""

from __future__ import annotations

import pytest

from simulator.columns import Column
from simulator.odata import QueryError, parse_filter, select

COLUMNS = {"Id": Column.NUMBER, "Name": Column.TEXT, "At": Column.TIME, "Flag": Column.FLAG, "Peers": Column.OBJECT}
NO_SENTENCES = ("Id", "Id eq", "Id is 1", "Nothing eq 1", "Id eq 1 Id", "(Id eq 1", "Id eq §")
WRONG_TYPES = (
    "Id eq '1'",
    "Id eq true",
    "Name eq 1",
    "Name gt 2026-08-04T22:49:33Z",
    "At eq 'now'",
    "At gt 5",
    "Flag eq 1",
    "Flag eq 'true'",
    "Peers eq 'x'",
    "contains(Id,'1')",
    "contains(Name,1)",
)
ROWS: list[dict[str, object]] = [
    {"Id": 1, "Name": "Ext.117", "At": "2026-08-04T22:49:33.865288Z", "Flag": True},
    {"Id": 2, "Name": "O'Hara", "At": "2026-08-05T00:00:00Z", "Flag": False},
    {"Id": 3, "Name": None, "At": None, "Flag": None},
]


def ids(text: str) -> list[object]:
    keep = parse_filter(text, columns=COLUMNS)
    return [row["Id"] for row in ROWS if keep(row)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Id eq 2", [2]),
        ("Id ne 2", [1, 3]),
        ("Id gt 1 and Id le 3", [2, 3]),
        ("Id eq 1 or Id eq 3", [1, 3]),
        ("Id eq 1 or Id eq 2 and Flag eq true", [1]),
        ("(Id eq 1 or Id eq 2) and Flag eq false", [2]),
        ("not (Id eq 1)", [2, 3]),
        ("contains(Name,'117')", [1]),
        ("startswith(Name,'O''')", [2]),
        ("Name eq 'O''Hara'", [2]),
        ("Name eq null", [3]),
        ("At ge 2026-08-04T22:49:33.865288Z", [1, 2]),
        ("At lt 2026-08-05T02:00:00+02:00", [1]),
    ],
)
def test_a_filter_keeps_the_rows_it_names(text: str, found: list[object]) -> None:
    assert ids(text) == found


@pytest.mark.parametrize(
    "text", ["Id", "Id eq", "Id is 1", "Nothing eq 1", "Id eq 1 Id", "(Id eq 1", "Id eq §", *WRONG_TYPES]
)
def test_a_filter_that_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(QueryError):
        parse_filter(text, columns=COLUMNS)


def test_a_page_counts_what_the_filter_keeps_before_it_is_cut() -> None:
    query = {"$filter": "Id gt 1", "$orderby": "Id desc", "$top": "1", "$count": "true", "$select": "Id"}
    page = select(ROWS, query, columns=COLUMNS)
    assert (page.rows, page.count) == ([{"Id": 3}], 2)


def test_a_search_looks_into_every_text() -> None:
    assert [row["Id"] for row in select(ROWS, {"$search": "hara"}, columns=COLUMNS).rows] == [2]


def test_order_may_have_several_columns_and_puts_null_first() -> None:
    page = select(ROWS, {"$orderby": "Flag,Id desc"}, columns=COLUMNS)
    assert [row["Id"] for row in page.rows] == [3, 2, 1]


@pytest.mark.parametrize(
    "query",
    [
        {"$top": "-1"},
        {"$skip": "x"},
        {"$apply": "x"},
        {"$select": "Nothing"},
        {"$select": "Id,Nothing"},
        {"$count": "perhaps"},
        {"$orderby": "Nothing"},
        {"$orderby": "Id sideways"},
        {"$expand": "Nothing"},
        {"$expand": "Id"},
    ],
)
def test_wrong_options_are_errors(query: dict[str, str]) -> None:
    with pytest.raises(QueryError):
        select(ROWS, query, columns=COLUMNS)
