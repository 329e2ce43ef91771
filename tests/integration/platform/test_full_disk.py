"""A disk that takes no more: the operating system itself refuses to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.platform.processes import line, process

if TYPE_CHECKING:
    from pathlib import Path


async def test_units_that_cannot_be_written_fail_whole_and_later_ones_are_kept_again(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_notes.sql").write_text("CREATE TABLE notes (content BLOB);\n")
    async with process("full_disk_process", tmp_path) as writer:
        kept, errors, count, after = (await line(writer)).split(" ")
        assert await writer.wait() == 0
    assert errors == "StorageFull"
    assert count == kept
    assert int(after) == int(kept) + 1
