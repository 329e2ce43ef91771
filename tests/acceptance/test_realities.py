"""What phone systems really do, each on a PBX of its own at the same time: the webhooks must come, and nothing else."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.acceptance import scripts
from tests.acceptance.scene import Performed, Reality, perform

IDLE_SECONDS = 4.0  # between snapshots: so late is a Remove found that never came
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


OUTGOING = ("dialing 119 0", "started 119 NotDef 1", "ended 119 Ok 1", "recording 119 1")
UNSEEN_TRANSFER = tuple(one.replace("117", "118").replace("204", "119") for one in ATTENDED)

REALITIES = [
    Reality(
        name="duplicate_upserts",
        script=scripts.playing("incoming-answered"),
        wanted=[ANSWERED],
        faults=("duplicate-upserts",),
    ),
    *(
        Reality(
            name=f"{fault.replace('-', '_')}_{family}",
            script=scripts.playing(f"incoming-{family}-transfer", **scripts.SHORT_TRANSFER),
            wanted=[wanted],
            faults=(fault,),
        )
        for fault in ("duplicate-upserts", "gone-when-read", "no-referred-by", "attached-participant", "phantom-legs")
        for family, wanted in (("blind", BLIND), ("attended", ATTENDED))
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
        slack=IDLE_SECONDS + 2,
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
    *(
        Reality(
            name=f"blind_{order.replace('-', '_')}",
            script=scripts.playing("incoming-blind-transfer", f"blind:{order}", **scripts.SHORT_TRANSFER),
            wanted=[BLIND],
        )
        for order in ("leaves-after-ring", "leaves-on-answer")
    ),
    *(
        Reality(
            name=f"attended_{order.replace('-', '_')}",
            script=scripts.playing("incoming-attended-transfer", f"attended:{order}", **scripts.SHORT_TRANSFER),
            wanted=[ATTENDED],
        )
        for order in ("same-id", "new-id", "join-first", "survivor-is-consultation")
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


@pytest.fixture(scope="module")
def performed(tmp_path_factory: pytest.TempPathFactory) -> Performed:
    """All realities, played at once."""
    folder = tmp_path_factory.mktemp("realities")
    return asyncio.run(perform(REALITIES, folder, quiet=IDLE_SECONDS + 1, environ=ENVIRON))


@pytest.mark.parametrize("reality", REALITIES, ids=lambda reality: reality.name)
@pytest.mark.timeout(180)
def test_the_webhooks_are_those_of_the_calls(reality: Reality, performed: Performed) -> None:
    differences = performed.scenes[reality.name].differences()
    assert not differences, "\n".join(differences)


@pytest.mark.timeout(180)
def test_a_leg_of_an_unknown_kind_is_counted(performed: Performed) -> None:
    assert performed.counted('switchhook_monitor_frames_total{kind="unknown",pbx="unknown_kind"}') == 1
    assert performed.counted('switchhook_monitor_frames_total{kind="unknown",pbx="attached_participant"}') == 0


@pytest.mark.timeout(180)
def test_nothing_of_it_is_an_error(performed: Performed) -> None:
    assert not [one for one in performed.log if one["level"] in ("error", "critical") or "traceback" in one]
