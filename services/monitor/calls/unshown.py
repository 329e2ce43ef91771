"""Calls of which the socket does not show everything: only the list of active calls can tell how they go on.

Such a call is in a queue or IVR that the API client does not see, or was made by software and its number is not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchhook.events import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.numbering import NumberingPlan


def is_unshown(call: LiveCall, plan: NumberingPlan) -> bool:
    """True while rows of the active calls may tell what no frame does."""
    if call.origin is Origin.MAKECALL and not call.outside_number:
        return True
    return call.place in plan.hidden and call.is_present(call.place)


class UnshownCalls:
    """Looks only at calls that changed, however many live."""

    def __init__(self) -> None:
        self._calls: dict[int, LiveCall] = {}

    def review(self, calls: Iterable[LiveCall], plan: NumberingPlan) -> None:
        """These calls have changed, or are over."""
        for call in calls:
            if not call.is_over and is_unshown(call, plan):
                self._calls[id(call)] = call
            else:
                self._calls.pop(id(call), None)

    def numbers(self, plan: NumberingPlan, *, before: datetime) -> list[int]:
        """The numbers to ask about now; those of calls without legs are left out that are asked about `before` then."""
        return [
            number
            for call in self._calls.values()
            if is_unshown(call, plan) and (call.ask_at is None or call.ask_at > before)
            for number in call.numbers
        ]
