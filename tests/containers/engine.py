"""The container engine, by its own commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON_IMAGE = "python:3.11-slim-bookworm"
_BUILD_PATIENCE = 1800  # seconds, for six images on a busy machine
_PATIENCE = 300


def run(
    *command: str, environ: Mapping[str, str] | None = None, patience: float = _PATIENCE, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """A command in the repository's folder; an error carries what it said."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=patience,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


@cache
def missing() -> str:
    """Why containers cannot be run here; empty when they can."""
    if shutil.which("docker") is None or run("docker", "info", check=False).returncode:
        return "there is no container engine"
    if not compose_command():
        return "there is neither `docker compose` nor docker-compose"
    if not has_image(PYTHON_IMAGE):
        return f"{PYTHON_IMAGE} cannot be had"
    return ""


@cache
def compose_command() -> tuple[str, ...]:
    """Compose v2 where it is installed, else docker-compose; empty without either."""
    if run("docker", "compose", "version", check=False).returncode == 0:
        return ("docker", "compose")
    return ("docker-compose",) if shutil.which("docker-compose") else ()


@cache
def has_image(name: str) -> bool:
    """True when it is here, or could be fetched."""
    is_here = run("docker", "image", "inspect", name, check=False).returncode == 0
    return is_here or run("docker", "pull", "--quiet", name, check=False, patience=900).returncode == 0


def build(target: str, tag: str) -> str:
    """Build an image; gives its name."""
    name = f"switchhook-{target}:{tag}"
    run(
        *("docker", "build", "--quiet", "--target", target, "--tag", name),
        *("--build-arg", f"REVISION={revision()}", "."),
        environ=_builder(),
        patience=_BUILD_PATIENCE,
    )
    return name


def build_by_buildkit(target: str, name: str) -> str:
    """Build an image with BuildKit; gives why that cannot be done here, else nothing.

    A client of its own it needs since 23.0; an older one beside a newer one is asked too.
    """
    refusal = "there is no client that speaks to BuildKit"
    for client in dict.fromkeys(("docker", "/usr/bin/docker")):
        if shutil.which(client) is None:
            continue
        done = run(
            *(client, "build", "--target", target, "--tag", name, "."),
            environ={"DOCKER_BUILDKIT": "1"},
            patience=_BUILD_PATIENCE,
            check=False,
        )
        if done.returncode == 0:
            return ""
        if "buildx" not in done.stderr:
            raise AssertionError(f"{client} build: {done.returncode}\n{done.stderr[-3000:]}")
    return refusal


@cache
def revision() -> str:
    """Of the code, as it was when the first image was built."""
    return run("git", "rev-parse", "HEAD", check=False).stdout.strip() or "unknown"


@cache
def _builder() -> dict[str, str]:
    """BuildKit where its client is installed; without it only the classic builder is there."""
    has_buildkit = run("docker", "buildx", "version", check=False).returncode == 0
    return {} if has_buildkit else {"DOCKER_BUILDKIT": "0"}


def inspected(name: str) -> dict[str, Any]:
    """What the engine knows of an image or a container."""
    (found,) = json.loads(run("docker", "inspect", name).stdout)
    facts: dict[str, Any] = found
    return facts
