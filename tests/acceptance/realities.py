"""The table of realities: what a phone system is known to do, and the scenes that play it, in every order of frames."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from simulator.transfers import ATTENDED_VARIANTS, BLIND_VARIANTS
from tests.acceptance import scripts
from tests.acceptance.scene import Reality

if TYPE_CHECKING:
    from tests.acceptance.scripts import Disturb

IDLE_SECONDS = 4.0  # between snapshots, and up to four times that where they take long
_REMOVE_FOUND_AFTER = 4 * IDLE_SECONDS + 2  # one that never came
ENVIRON = {
    "SWITCHHOOK_MONITOR__IDLE_INTERVAL": f"{IDLE_SECONDS:.0f}s",
    "SWITCHHOOK_MONITOR__ACTIVE_CALLS_INTERVAL": "250ms",
}

IVR, QUEUE = "ringing 800 other 0", "ringing 820 queue 0"
ANSWERED = (IVR, QUEUE, "ringing 202 ext 0", "started 202 NotDef 1", "ended 202 Ok 1", "recording 202 1")
MISSED = (IVR, QUEUE, "ringing 202 ext 0", "ended 820 Missed 0")
BLIND = (
    *(IVR, QUEUE, "ringing 117 ext 0", "started 117 NotDef 1", "ringing 204 ext 1"),
    *("started 204 Blind 2", "ended 204 Ok 2", "recording 204 2", "recording 117 1"),
)
ATTENDED = (
    *(IVR, QUEUE, "ringing 117 ext 0", "started 117 NotDef 1", "ringing 204 ext 1", "started 204 Attended 2"),
    *("ended 117 Ok 1 transferred", "ended 204 Ok 2", "recording 204 2", "recording 117 1"),
)


def direct(extension: str) -> tuple[str, ...]:
    """What comes of an answered call whose number leads straight to the extension."""
    return tuple(f"{what} {extension} {how}" for what, how in _DIRECT)


_DIRECT = (("ringing", "ext 0"), ("started", "NotDef 1"), ("ended", "Ok 1"), ("recording", "1"))


RETURNED = (
    *(IVR, QUEUE, "ringing 117 ext 0", "started 117 NotDef 1", "ringing 204 ext 1", "ringing 117 ext 1"),
    *("started 117 Blind 2", "ended 117 Ok 2", "recording 117 2", "recording 117 1"),
)
UNANSWERED = (
    *(IVR, QUEUE, "ringing 117 ext 0", "started 117 NotDef 1", "ringing 204 ext 1", "ended 204 Missed 1"),
    "recording 117 1",
)
ORDERS: dict[str, dict[str, tuple[str, ...]]] = {
    "blind": dict.fromkeys(BLIND_VARIANTS, BLIND) | {"returns": RETURNED, "unanswered": UNANSWERED},
    "attended": dict.fromkeys(ATTENDED_VARIANTS, ATTENDED),
}
OUTGOING = ("dialing 119 0", "started 119 NotDef 1", "ended 119 Ok 1", "recording 119 1")
UNSEEN_TRANSFER = tuple(one.replace("117", "118").replace("204", "119") for one in ATTENDED)


def in_every_order(name: str, *faults: str, disturb: Disturb = scripts.nothing, **settings: Any) -> Reality:
    """Transfers in all known orders of frames at once on one PBX, each among extensions of its own."""
    casts: list[scripts.OrderedTransfer] = []
    wanted: list[tuple[str, ...]] = []
    orders = [(family, order) for family, orders in ORDERS.items() for order in orders]
    for place, (family, order) in enumerate(orders):
        extension, colleague = str(100 + 2 * place), str(101 + 2 * place)
        casts.append(scripts.OrderedTransfer(family, order, extension, colleague))
        lines = ORDERS[family][order]
        wanted.append(tuple(one.replace("117", extension).replace("204", colleague) for one in lines))
    script = scripts.ordered_transfers(casts, disturb)
    return Reality(name=f"{name}_in_every_order", script=script, wanted=wanted, faults=faults, **settings)


REALITIES = [
    in_every_order("undisturbed"),
    in_every_order("duplicate_upserts", "duplicate-upserts"),
    in_every_order("gone_when_read", "gone-when-read"),
    in_every_order("lost_remove", "lost-remove", slack=_REMOVE_FOUND_AFTER),
    in_every_order("no_referred_by", "no-referred-by"),
    in_every_order("hidden_routing", "hidden-routing", speed=0.4),
    in_every_order("attached_participant", "attached-participant"),
    in_every_order("phantom_legs", "phantom-legs"),
    in_every_order("unknown_kind", "unknown-kind"),
    in_every_order("socket_lost", disturb=scripts.lose_socket_in_mid_call),
    in_every_order("token_expired", disturb=scripts.expire_token_in_mid_call),
    Reality(
        name="duplicate_upserts",
        script=scripts.playing("incoming-answered"),
        wanted=[ANSWERED],
        faults=("duplicate-upserts",),
    ),
    Reality(
        name="gone_when_read",
        script=scripts.playing("incoming-answered"),
        wanted=[ANSWERED],
        faults=("gone-when-read",),
    ),
    Reality(
        name="gone_when_read_missed",
        script=scripts.playing("incoming-missed"),
        wanted=[MISSED],
        faults=("gone-when-read",),
    ),
    Reality(
        name="lost_remove",
        script=scripts.playing("incoming-answered"),
        wanted=[ANSWERED],
        faults=("lost-remove",),
        slack=_REMOVE_FOUND_AFTER,
    ),
    Reality(
        name="lost_remove_listed",  # the list of active calls, which is followed anyway, tells that the call is over
        script=scripts.playing("incoming-direct", talk=8.5),
        wanted=[direct("202")],
        faults=("lost-remove", "hidden-routing"),
        slack=2.4,
    ),
    Reality(
        name="lost_remove_missed", script=scripts.playing("incoming-missed"), wanted=[MISSED], faults=("lost-remove",)
    ),
    Reality(
        name="remove_before_target",
        script=scripts.playing("incoming-blind-transfer", **scripts.SHORT_TRANSFER),
        wanted=[BLIND],
        faults=("remove-before-target",),
    ),
    Reality(
        name="remove_before_target_unreferred",
        script=scripts.playing("incoming-blind-transfer", **scripts.SHORT_TRANSFER),
        wanted=[BLIND],
        faults=("remove-before-target", "no-referred-by"),
    ),
    Reality(
        name="new_id_on_join",
        script=scripts.playing("incoming-attended-transfer", **scripts.SHORT_TRANSFER),
        wanted=[ATTENDED],
        faults=("new-id-on-join",),
    ),
    *(
        Reality(name=f"hidden_routing_{end}", script=script, wanted=[wanted], faults=("hidden-routing",), speed=0.4)
        for end, script, wanted in (
            ("answered", scripts.playing("incoming-answered", talk=1.5), ANSWERED),
            ("missed", scripts.playing("incoming-missed"), MISSED),
            ("blind", scripts.playing("incoming-blind-transfer", talk=1.2, transferred_talk=1.2), BLIND),
        )
    ),
    Reality(
        name="attached_participant",
        script=scripts.playing("incoming-answered"),
        wanted=[ANSWERED],
        faults=("attached-participant",),
    ),
    Reality(
        name="socket_lost_around_calls",
        script=scripts.socket_lost_around_calls,
        wanted=[
            ANSWERED,
            direct("117"),
            (IVR, QUEUE, "ringing 118 ext 0", "ended 820 Missed 0"),
            OUTGOING,
        ],
    ),
    Reality(name="socket_lost_at_the_end", script=scripts.socket_lost_at_the_end, wanted=[direct("202")]),
    Reality(name="socket_lost_at_the_beginning", script=scripts.socket_lost_at_the_beginning, wanted=[ANSWERED]),
    Reality(name="socket_lost_during_transfer", script=scripts.socket_lost_during_transfer, wanted=[BLIND]),
    Reality(name="transfers_in_the_gap", script=scripts.transfers_in_the_gap, wanted=[BLIND, UNSEEN_TRANSFER]),
    Reality(
        name="no_call_log",
        script=scripts.socket_lost_at_the_end,
        wanted=[direct("202")],
        faults=("no-call-log",),
        slack=1.5,
    ),
    Reality(
        name="no_call_log_around_calls",  # what came and went unseen cannot be known
        script=scripts.socket_lost_around_calls,
        wanted=[ANSWERED, (), (), ()],
        faults=("no-call-log",),
    ),
    Reality(
        name="no_xapi",
        script=scripts.socket_lost_at_the_end,
        wanted=[direct("202")[:3]],
        faults=("no-xapi",),
        slack=1.5,
    ),
    Reality(
        name="clock_fast",
        script=scripts.call_told_before_the_gap,
        wanted=[direct("117"), direct("202")],
        clock_ahead=timedelta(minutes=2),
    ),
    Reality(
        name="clock_slow",
        script=scripts.call_told_before_the_gap,
        wanted=[direct("117"), direct("202")],
        clock_ahead=timedelta(minutes=-7),
    ),
    Reality(name="socket_lost_twice", script=scripts.socket_lost_twice, wanted=[direct("117"), direct("118")]),
    Reality(name="socket_lost_again_and_again", script=scripts.socket_lost_again_and_again, wanted=[ATTENDED]),
    Reality(
        name="socket_lost_while_ringing",
        script=scripts.socket_lost_while_ringing,
        wanted=[ANSWERED, (IVR, QUEUE, "ringing 117 ext 0", "ended 820 Missed 0")],
    ),
    Reality(name="socket_lost_in_a_consultation", script=scripts.socket_lost_in_a_consultation, wanted=[ATTENDED]),
    Reality(
        name="other_calls_in_the_gap",
        script=scripts.other_calls_in_the_gap,
        wanted=[
            ("ringing 101 ext 0", "ended 101 Missed 0"),
            (IVR, QUEUE, "ringing 102 ext 0", *direct("103")),
            (IVR, "ringing 104 ext 0", "ringing 105 ext 0", "ended 105 Missed 0"),
            (),
            ("dialing 108 0", "ended 108 Missed 0"),
        ],
    ),
    Reality(
        name="restarted_between_calls", script=scripts.restarted_between_calls, wanted=[direct("202"), direct("202")]
    ),
    Reality(
        name="restarted_while_ringing",
        script=scripts.restarted_while_ringing,
        wanted=[(IVR, QUEUE, "ringing 117 ext 0", "ended 820 Missed 0")],
    ),
    Reality(name="token_expired", script=scripts.token_expired, wanted=[BLIND]),
    Reality(name="token_stolen", script=scripts.token_stolen, wanted=[direct("202")]),
    Reality(
        name="restarted_then_another_caller",
        script=scripts.restarted_then_another_caller,
        wanted=[direct("202"), direct("117")],
    ),
    Reality(
        name="restarted_and_called_in_the_gap",
        script=scripts.restarted_and_called_in_the_gap,
        wanted=[direct("202"), direct("117")],
    ),
    Reality(
        name="restarted_and_called_again_in_the_gap",
        script=scripts.restarted_and_called_again_in_the_gap,
        wanted=[direct("202"), direct("202")],
    ),
    Reality(name="restarted_and_called_inside", script=scripts.restarted_and_called_inside, wanted=[direct("202"), ()]),
    Reality(
        name="restarted_in_a_consultation",
        script=scripts.restarted_in_a_consultation,
        wanted=[
            (*BLIND[:5], "ended 117 Ok 1", "recording 117 1"),
            direct("118"),
            direct("119"),
        ],
    ),
    Reality(
        name="one_caller_twice",
        script=scripts.one_caller_twice,
        wanted=[ANSWERED, tuple(one.replace("202", "117") for one in ANSWERED)],
    ),
    Reality(
        name="one_extension_twice",
        script=scripts.one_extension_twice,
        wanted=[direct("202"), direct("202"), tuple(one.replace("119", "202") for one in OUTGOING)],
    ),
    Reality(
        name="unknown_kind", script=scripts.playing("incoming-answered"), wanted=[ANSWERED], faults=("unknown-kind",)
    ),
]

LINES = {
    "Upserts that come twice": ("duplicate_upserts_in_every_order", "duplicate_upserts"),
    "an Upsert whose object is gone when it is read": ("gone_when_read_in_every_order", "gone_when_read"),
    "a Remove that never comes": (
        "lost_remove_in_every_order",
        "lost_remove",
        "lost_remove_missed",
        "lost_remove_listed",
    ),
    "a Remove before the Upsert of a transfer's target, and after it": (
        *("undisturbed_in_every_order", "remove_before_target", "remove_before_target_unreferred"),
    ),
    "a joined leg that keeps its id and changes its call, or gets a new id": (
        *("undisturbed_in_every_order", "new_id_on_join"),
    ),
    "an empty referred_by": ("no_referred_by_in_every_order",),
    "a queue or an IVR that only the list of active calls shows": (
        *("hidden_routing_in_every_order", "hidden_routing_answered", "hidden_routing_missed"),
    ),
    "attached data that is null or carries the participant": (
        *("undisturbed_in_every_order", "attached_participant_in_every_order", "attached_participant"),
    ),
    "a second phone of an extension": ("phantom_legs_in_every_order",),
    "a websocket that is lost in mid-call, with calls begun and ended in between": (
        *("socket_lost_in_every_order", "socket_lost_around_calls", "transfers_in_the_gap", "other_calls_in_the_gap"),
        *("socket_lost_twice", "socket_lost_while_ringing", "socket_lost_in_a_consultation"),
    ),
    "a call log that may not be read": ("no_call_log", "no_call_log_around_calls", "no_xapi"),
    "a clock that is wrong": ("clock_fast", "clock_slow"),
    "a token that expires in mid-call, or that somebody else's takes the place of": (
        *("token_expired_in_every_order", "token_expired", "token_stolen"),
    ),
    "a PBX that restarts, so that its numbers start again": (
        *("restarted_between_calls", "restarted_while_ringing", "restarted_then_another_caller"),
        *("restarted_and_called_in_the_gap", "restarted_and_called_inside", "restarted_in_a_consultation"),
        "restarted_and_called_again_in_the_gap",
    ),
    "two calls of one caller at once": ("one_caller_twice",),
    "one extension in two calls": ("one_extension_twice",),
    "a kind of DN or a status that nobody knows": ("unknown_kind_in_every_order", "unknown_kind"),
}
"""What phone systems do, and the realities that show it. The monitor killed in mid-call: `test_killed`."""
