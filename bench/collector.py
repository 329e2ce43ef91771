"""A collector of traces for a bench, a process of its own: takes every span and forgets it.

    python -m bench.collector

Prints its address, and ends with its standard input.
"""

from __future__ import annotations

import sys

from tests.collector import collecting


def main() -> None:
    """Collect."""
    with collecting() as collector:
        sys.stdout.write(f"{collector.endpoint}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
