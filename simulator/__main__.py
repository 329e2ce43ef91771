"""The command line: `python -m simulator` serves a PBX until SIGINT or SIGTERM.

Prints one JSON line with the addresses when ready. Exit codes: 0 stopped, 1 failed, 2 usage.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from simulator.faults import parse
from simulator.options import SimulatorOptions
from simulator.scenarios import find_scenario, parse_variants
from simulator.server import Simulator

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        for name in arguments.scenario:
            find_scenario(name)
        for name in arguments.fault:
            parse(name)
        parse_variants(arguments.variant)
    except ValueError as error:
        parser.error(str(error))
    try:
        return asyncio.run(_serve(_options(arguments), arguments.scenario))
    except OSError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return 1


async def _serve(options: SimulatorOptions, scenarios: Sequence[str]) -> int:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stopped.set)
    async with Simulator(options) as pbx:
        ready = {"url": pbx.url, "control_url": pbx.control_url}
        if pbx.certificate is not None:
            ready["certificate"] = str(pbx.certificate)
        sys.stdout.write(orjson.dumps(ready).decode() + "\n")
        sys.stdout.flush()
        plays = loop.create_task(_play_all(pbx, scenarios))
        await stopped.wait()  # until a signal
        plays.cancel()
    return 0


async def _play_all(pbx: Simulator, scenarios: Sequence[str]) -> None:
    for name in scenarios:
        await pbx.play(name)


def _options(arguments: argparse.Namespace) -> SimulatorOptions:
    return SimulatorOptions(
        host=arguments.host,
        port=arguments.port,
        control_port=arguments.control_port,
        client_id=arguments.client_id,
        client_secret=arguments.client_secret,
        token_lifetime=timedelta(seconds=arguments.token_seconds),
        expires_in_minutes=arguments.expires_in_minutes,
        recording_delay=timedelta(seconds=arguments.recording_delay),
        answer_after=timedelta(seconds=arguments.answer_after),
        auto_answer=None if arguments.auto_answer is None else timedelta(seconds=arguments.auto_answer),
        timezone=arguments.timezone,
        extensions=arguments.extensions,
        speed=arguments.speed,
        variants=tuple(arguments.variant),
        faults=tuple(arguments.fault),
        seed=arguments.seed,
        calls_per_second=arguments.calls_per_second,
        concurrent=arguments.concurrent,
        recordings_dir=arguments.recordings_dir,
        codec=arguments.codec,
        tls=arguments.tls,
        certificate=arguments.cert,
        private_key=arguments.key,
        certificate_dir=arguments.cert_dir,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simulator", description="A simulated 3CX V20 phone system.")
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="where the PBX listens (the control address is always 127.0.0.1)")
    add("--port", type=int, default=5001, help="0: any free one")
    add("--control-port", type=int, default=5002, help="0: any free one")
    add("--client-id", default="switchhook")
    add("--client-secret", default="secret")
    add("--token-seconds", type=float, default=3600.0, help="life of an access token")
    add("--expires-in-minutes", action="store_true", help="the form of PBXs before 20.0.9")
    add("--answer-after", type=float, default=1.0, help="when outside parties answer calls of software, in seconds")
    add("--auto-answer", type=float, default=None, help="when extensions answer calls of software; default: never")
    add("--recording-delay", type=float, default=0.3, help="from the end of a call to its recordings, in seconds")
    add("--scenario", action="append", default=[], metavar="NAME", help="play it, then idle; repeatable")
    add("--variant", action="append", default=[], metavar="KIND:NAME", help="such as blind:returns; repeatable")
    add("--fault", action="append", default=[], metavar="NAME", help="on from the start; repeatable")
    add("--speed", type=float, default=1.0, help="divides every wait")
    add("--calls-per-second", type=float, default=0.0, help="random traffic")
    add("--concurrent", type=int, default=100, help="never more live calls than this in random traffic")
    add("--extensions", type=int, default=0, help="so many more, from 1000")
    add("--seed", type=int, default=0)
    add("--timezone", default="UTC", help="of the PBX's clock: recording files are named in it")
    add("--recordings-dir", type=Path, default=None, help="write the files here, too")
    add("--codec", default="", help="for every recording: pcm, stereo, a-law, mu-law, gsm")
    add("--tls", action="store_true", help="with a self-made certificate, unless --cert and --key are given")
    add("--cert", type=Path, default=None)
    add("--key", type=Path, default=None)
    add("--cert-dir", type=Path, default=None, help="where the self-made certificate is written")
    return parser


if __name__ == "__main__":
    sys.exit(main())
