"""Property tests: the same examples in every run, however it is begun; other ones where that is asked for.

With `--hypothesis-profile=random` they are new ones, `--hypothesis-seed` says which; so they are in the long forms
(`make soak`).
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture.providers import HypothesisProvider

USUAL = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # a loaded machine is slow, nobody's fault


def fix_examples() -> None:
    """Examples depend on nothing but their test from here on."""
    settings.register_profile("random", USUAL, max_examples=1_000)
    settings.register_profile("steady", USUAL, derandomize=True, database=None)
    settings.load_profile("steady")
    # Numbers that stand in imported modules would be drawn too: so a test would have other examples when it runs alone.
    setattr(HypothesisProvider, "_maybe_draw_constant", _no_constant)  # noqa: B010 - mypy lets no method be assigned


def _no_constant(*_: object, **__: object) -> None:
    return None
