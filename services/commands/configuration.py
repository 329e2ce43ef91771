"""Finds and loads the configuration of a command, and says what is wrong with it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from switchhook.errors import ConfigMissing
from switchhook.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from switchhook.settings import Settings

DEFAULT_FILE = Path("switchhook.toml")
FAILED, MISUSED = 1, 2  # exit codes; 0 is success

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Configuration file.", show_default=str(DEFAULT_FILE), envvar="SWITCHHOOK_CONFIG"
    ),
]


def load(context: typer.Context, own: Path | None) -> Settings:
    """The settings of `--config`, given before or after the command; without the file, those of the environment.

    Raises ConfigError.
    """
    chosen = own or (context.obj if isinstance(context.obj, Path) else None)
    if chosen is None and not DEFAULT_FILE.exists():
        if not _speaks(os.environ):
            raise ConfigMissing(
                (
                    f"there is no {DEFAULT_FILE}: make one from switchhook.example.toml, name one with --config, "
                    "or see a demonstration: switchhook demo",
                )
            )
        return load_settings(None, os.environ)
    return load_settings(chosen or DEFAULT_FILE, os.environ)


def complain(problems: Sequence[str]) -> None:
    """One line each on stderr."""
    for line in problems:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _speaks(environ: Mapping[str, str]) -> bool:
    """True when the environment alone configures something, as it may in a container."""
    return any(name.startswith("SWITCHHOOK_") and ("__" in name or name == "SWITCHHOOK_DATA_DIR") for name in environ)
