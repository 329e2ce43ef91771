"""What goes wrong with a file on the way to its tags is the disk's fault, and said so."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from services.recorder.jobs import pending_call
from services.recorder.mp3 import tag
from tests.unit.recorder.calls import START, final

if TYPE_CHECKING:
    from pathlib import Path


def test_a_disk_that_is_full_is_no_fault_of_the_recording(tmp_path: Path) -> None:
    full = tmp_path / "full.mp3"
    full.symlink_to("/dev/full")
    [link] = pending_call(final(), accepted_at=START).links
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        tag(full, link)
