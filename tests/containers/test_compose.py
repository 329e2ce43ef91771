"""`docker compose up`, in both profiles: webhooks come, links play, nothing is lost whatever is killed or scaled."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.containers.engine import has_image, inspected, run
from tests.containers.installation import Installation, until
from tests.repository.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.containers, pytest.mark.timeout(3600)]

GRAFANA = "grafana/grafana:11.3.0"
UP_WITHIN = 240.0  # seconds, on a busy machine
TOLD_WITHIN = 180.0
SERVICES = ("monitor", "dispatcher", "recorder", "fileserver")
PUBLISHED = {"fileserver", "grafana"}


def left_out() -> tuple[str, ...]:
    """Grafana, where its image cannot be had."""
    return () if has_image(GRAFANA) else ("grafana",)


@pytest.fixture(scope="module")
def plain(images: dict[str, str], tag: str) -> Iterator[Installation]:
    """As the compose file comes: on SQLite."""
    assert images
    yield from installed(Installation(tag, without=left_out()))


@pytest.fixture(scope="module")
def scaled(images: dict[str, str], tag: str) -> Iterator[Installation]:
    """On PostgreSQL, with two dispatchers and two recorders."""
    assert images
    yield from installed(Installation(tag, profile="postgres", without=left_out()))


def installed(installation: Installation) -> Iterator[Installation]:
    try:
        installation.up()
        until(lambda: is_healthy(installation), UP_WITHIN, "everything is healthy")
        yield installation
    except BaseException:
        for service in SERVICES:
            sys.stdout.write(f"\n---- {service}\n{installation.logs(service)[-3000:]}\n")
        sys.stdout.write(f"{installation.health()}\n")
        raise
    finally:
        installation.down()


def is_healthy(installation: Installation) -> bool:
    health = installation.health()
    assert set(health.values()) == {"healthy"}, health
    return True


def everything_is_told(installation: Installation) -> None:
    """The receiver is told the end of each call that is over by now; others go on meanwhile."""
    played = installation.played_calls()
    assert len(played) > 5

    def is_told() -> bool:
        missing = played - installation.ended_calls()
        assert not missing, f"calls whose end was not told: {sorted(missing)} of {len(played)}"
        return True

    until(is_told, TOLD_WITHIN, "every call's end is told")


def targets_are_up(installation: Installation, count: int) -> None:
    def are_up() -> bool:
        answer = installation.query('count(up{job="switchhook"} == 1)')
        assert f"=> {count} @" in answer, answer
        return True

    until(are_up, 60.0, f"{count} targets are up")


def test_a_link_plays_from_outside(plain: Installation) -> None:
    until(plain.links, 120.0, "the receiver has played a link")
    link = plain.links()[0]
    status, media_type, body = fetched(plain.port, link)
    assert (status, media_type) == (200, "audio/mpeg")
    assert len(body) > 1000
    assert fetched(plain.port, link.partition("?")[0])[0] == 403


def fetched(port: int, path: str) -> tuple[int, str, bytes]:
    """Status, media type and body of what the file server answers."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read()


def test_prometheus_reads_every_service(plain: Installation) -> None:
    targets_are_up(plain, len(SERVICES))
    until(lambda: "=> 1 @" in plain.query("max(switchhook_pbx_connected)"), 60.0, "the PBX is seen as connected")


def test_grafana_has_the_dashboards(plain: Installation) -> None:
    if not has_image(GRAFANA):
        pytest.skip(f"GRAFANA IS NOT TESTED: {GRAFANA} CANNOT BE HAD")
    (container,) = plain.containers("grafana")
    credentials = f"admin:{(ROOT / 'compose/secrets/grafana_password').read_text(encoding='utf-8').strip()}"
    url = f"http://{credentials}@127.0.0.1:3000/api/search?type=dash-db"
    found = json.loads(run("docker", "exec", container, "wget", "-q", "-O", "-", url).stdout)
    expected = {
        json.loads(path.read_text(encoding="utf-8"))["title"]
        for path in (ROOT / "charts/switchhook/dashboards").glob("*.json")
    }
    assert {each["title"] for each in found} == expected


def test_containers_are_locked_and_only_two_are_published(plain: Installation) -> None:
    for container in plain.containers():
        facts = inspected(container)
        service = facts["Config"]["Labels"]["com.docker.compose.service"]
        host = facts["HostConfig"]
        published = {port for port, places in (facts["NetworkSettings"]["Ports"] or {}).items() if places}
        assert bool(published) == (service in PUBLISHED), (service, published)
        assert host["Memory"] > 0, service
        assert host["LogConfig"]["Config"] == {"max-file": "3", "max-size": "10m"}, service
        if service in {*SERVICES, "simulator", "receiver"}:
            assert host["ReadonlyRootfs"] is True, service
            assert host["CapDrop"] == ["ALL"], service
            assert not any(word in str(facts["Config"]["Env"]) for word in ("whsec_", "CLIENT_SECRET=")), service


def test_nothing_is_lost_when_each_service_is_killed(plain: Installation) -> None:
    for service in (*SERVICES, "receiver"):
        (container,) = plain.containers(service)
        run("docker", "kill", container)
        time.sleep(2)  # calls go on meanwhile
        run("docker", "start", container)
        until(lambda: is_healthy(plain), UP_WITHIN, f"everything is healthy after {service} was killed")
    everything_is_told(plain)


def test_a_process_that_dies_is_started_again(plain: Installation) -> None:
    (container,) = plain.containers("dispatcher")
    before = plain.state(container)["StartedAt"]
    run("docker", "exec", container, "python", "-c", "import os; os.kill(1, 15)")
    until(lambda: plain.state(container)["StartedAt"] != before, 60.0, "it is started again")
    until(lambda: is_healthy(plain), UP_WITHIN, "everything is healthy")


def test_prometheus_and_the_simulator_come_back(plain: Installation) -> None:
    for service in ("prometheus", "simulator"):
        (container,) = plain.containers(service)
        run("docker", "kill", container)
        run("docker", "start", container)
    until(lambda: is_healthy(plain), UP_WITHIN, "everything is healthy")
    before = len(plain.ended_calls())
    until(lambda: len(plain.ended_calls()) != before, 120.0, "calls are told again")


def test_dispatchers_are_scaled_without_loss(scaled: Installation) -> None:
    until(lambda: len(scaled.ended_calls()) > 2, 120.0, "calls are told")
    for count in (3, 1):
        scaled.compose("up", "--detach", "--no-build", "--no-recreate", "--scale", f"dispatcher={count}", "dispatcher")
        until(lambda: is_healthy(scaled), UP_WITHIN, f"everything is healthy with {count}")
        assert len(scaled.containers("dispatcher")) == count
        time.sleep(10)  # under load
    everything_is_told(scaled)


def test_the_database_may_be_killed(scaled: Installation) -> None:
    (database,) = scaled.containers("postgres")
    run("docker", "kill", database)
    time.sleep(2)
    run("docker", "start", database)
    until(lambda: is_healthy(scaled), UP_WITHIN, "everything is healthy after PostgreSQL was killed")
    everything_is_told(scaled)


def test_the_second_dispatcher_goes_on_alone(scaled: Installation) -> None:
    (first,) = scaled.containers("dispatcher")
    run("docker", "kill", first)
    told = len(scaled.ended_calls())
    until(lambda: len(scaled.ended_calls()) > told + 5, TOLD_WITHIN, "calls are told")
    assert "delivery.attempted" in scaled.logs("dispatcher-2")
    run("docker", "start", first)
    until(lambda: is_healthy(scaled), UP_WITHIN, "everything is healthy")
    everything_is_told(scaled)


def test_all_replicas_are_read_by_prometheus(scaled: Installation) -> None:
    targets_are_up(scaled, len(SERVICES) + 2)


def test_databases_are_up_to_date(scaled: Installation) -> None:
    said = scaled.compose("run", "--rm", "--no-deps", "dispatcher", "migrate")
    assert said.count("up to date") == len(SERVICES)


def test_killed_containers_of_the_second_profile_come_back(scaled: Installation) -> None:
    for service in ("dispatcher-2", "recorder", "recorder-2", "monitor", "fileserver"):
        (container,) = scaled.containers(service)
        run("docker", "kill", container)
        run("docker", "start", container)
    until(lambda: is_healthy(scaled), UP_WITHIN, "everything is healthy")
    everything_is_told(scaled)
