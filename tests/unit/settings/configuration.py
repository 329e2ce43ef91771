"""A small valid configuration, and the problems of a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from switchhook.errors import ConfigError
from switchhook.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PBX = """
[[pbx]]
name = "main"
url = "https://pbx.example.com/"
client_id = "switchhook"
client_secret = "pbx-secret"
"""

ENDPOINT = """
[[endpoint]]
name = "crm"
url = "https://crm.example.com/hooks"
format = "post"
"""


def load(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this text."""
    path = folder / "switchhook.toml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, environ or {})


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with this text."""
    with pytest.raises(ConfigError) as refused:
        load(folder, text, environ)
    return list(refused.value.problems)
