"""The bill of materials of an image, as CycloneDX.

Python packages are listed by cyclonedx-py, Debian's by the image's own dpkg.

`make sbom IMAGE=switchhook-dispatcher:0.1.0 > dispatcher.cdx.json`
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.containers.engine import run

_LIBRARIES = "/opt/switchhook/lib/python3.11/site-packages"
_DEBIAN = ("dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\\n")


def bill_of_materials(image: str) -> dict[str, Any]:
    """The document. Nothing of the image is run but `dpkg-query`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _copy(image, folder / "libraries")
        # It asks an interpreter where packages are; the image's own cannot be run outside of it.
        interpreter = folder / "python"
        where = json.dumps([str(folder / "libraries")])
        interpreter.write_text(f"#!/bin/sh\necho {shlex.quote(where)}\n", encoding="utf-8")
        interpreter.chmod(0o755)
        tool = Path(sys.executable).with_name("cyclonedx-py")
        answer = run(str(tool), "environment", "--output-reproducible", str(interpreter))
    document: dict[str, Any] = json.loads(answer.stdout)
    document["metadata"]["component"] = {"type": "container", "name": image, "bom-ref": image}
    document["components"] += _debian_packages(image)
    return document


def _copy(image: str, target: Path) -> None:
    container = run("docker", "create", image).stdout.strip()
    try:
        run("docker", "cp", f"{container}:{_LIBRARIES}", str(target))
    finally:
        run("docker", "rm", "--volumes", container)


def _debian_packages(image: str) -> list[dict[str, Any]]:
    program, *arguments = _DEBIAN
    listed = run("docker", "run", "--rm", "--network", "none", "--entrypoint", program, image, *arguments).stdout
    return [_debian_package(*line.split()) for line in listed.splitlines()]


def _debian_package(name: str, version: str, architecture: str) -> dict[str, Any]:
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}&distro=bookworm"
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bill_of_materials(sys.argv[1]), indent=1) + "\n")
