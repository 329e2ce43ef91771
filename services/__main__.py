"""The command line, and the only main: every process of Switchhook begins here."""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import Annotated

import typer

import switchhook
from services.commands import demo as demonstration
from services.commands.admin_client import UrlOption, admin_address
from services.commands.capture import capture, replay_capture
from services.commands.configuration import FAILED, MISUSED, ConfigOption, complain, load
from services.commands.deliveries import deliveries
from services.commands.endpoints import list_endpoints, pause, resume
from services.commands.health import readiness
from services.commands.import_ini import converted_configuration, notes_about_names, read_old_settings
from services.commands.links import links
from services.commands.migrate import migrate as migrate_databases
from services.commands.process import run_process
from services.commands.receive import receive
from services.commands.recordings import recordings
from services.registry import ServiceName
from switchhook.errors import ConfigError, SwitchhookError
from switchhook.settings import masked, risks

app = typer.Typer(
    name="switchhook",
    help="Tells other software about every call of a 3CX phone system.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

endpoints = typer.Typer(help="Look after the receivers of webhooks.", no_args_is_help=True)
app.add_typer(endpoints, name="endpoints")
endpoints.command("list")(list_endpoints)
endpoints.command()(pause)
endpoints.command()(resume)
app.add_typer(deliveries)
app.add_typer(recordings)
app.add_typer(links)

Services = Annotated[list[ServiceName] | None, typer.Argument(help="Which services; none named means all four.")]


@app.callback()
def options(context: typer.Context, config: ConfigOption = None) -> None:
    """Tells other software about every call of a 3CX phone system."""
    context.obj = config


@app.command()
def run(context: typer.Context, services: Services = None, config: ConfigOption = None) -> None:
    """Run all services, or the ones that are named."""
    raise typer.Exit(run_process(load(context, config), _chosen(services)))


@app.command()
def check(context: typer.Context, config: ConfigOption = None) -> None:
    """Print the configuration, or what is wrong with it."""
    from services.dispatcher.access import access_risks, demand_usable_files
    from services.dispatcher.rehearsal import demand_good_templates, own_event_risks
    from switchhook.objects import read_keyring

    settings = load(context, config)
    demand_usable_files(settings)
    demand_good_templates(settings)
    read_keyring(settings.storage)
    sys.stdout.write(masked(settings))
    sys.stdout.flush()
    complain([f"warning: {risk}" for risk in (*risks(settings), *access_risks(settings), *own_event_risks(settings))])


@app.command()
def migrate(context: typer.Context, services: Services = None, config: ConfigOption = None) -> None:
    """Bring the databases up to date."""
    for line in migrate_databases(load(context, config), _chosen(services)):
        typer.echo(line)


@app.command()
def health(context: typer.Context, url: UrlOption = None, config: ConfigOption = None) -> None:
    """Ask a running process whether it is ready, and what troubles it."""
    code, lines = readiness(url or admin_address(load(context, config)))
    for line in lines:
        typer.echo(line)
    raise typer.Exit(code)


@app.command()
def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
) -> None:
    """Reach everything that is needed; say what is wrong, and what to do about it."""
    from services.commands.doctor.command import doctor as examine_all

    examine_all(context, config, as_json=as_json)


@endpoints.command("test")
def endpoints_test(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The endpoint's name in the configuration.")],
    config: ConfigOption = None,
) -> None:
    """Send an endpoint a sample of every event that it gets; say which it accepted, and how fast."""
    from services.commands.endpoint_test import try_endpoint

    raise typer.Exit(try_endpoint(load(context, config), name))


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"switchhook {switchhook.__version__} (Python {platform.python_version()})")


@app.command("import-ini")
def import_ini(
    files: Annotated[list[Path], typer.Argument(help="WebhooksApi.ini or TCXWebAPI.ini of the old plug-in.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write here instead of to stdout.")] = None,
) -> None:
    """Convert an old plug-in's settings."""
    try:
        old = [read_old_settings(file) for file in files]
        text, warnings = converted_configuration(old)
        if output is None:
            sys.stdout.write(text)
        else:
            with output.open("x", encoding="utf-8") as file:
                file.write(text)
    except FileExistsError as error:
        complain([f"{error.filename}: is there already: remove it, or choose another --output"])
        raise typer.Exit(FAILED) from error
    except OSError as error:
        complain([f"{error.filename}: cannot be read or written ({error.strerror})"])
        raise typer.Exit(FAILED) from error
    complain([*warnings, *notes_about_names(old)])


@app.command(add_help_option=False, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def simulate(context: typer.Context) -> None:
    """Run a 3CX PBX to develop against."""
    from simulator.__main__ import main as simulator_main

    raise typer.Exit(simulator_main(context.args))


app.command()(demonstration.demo)
app.command("capture")(capture)
app.command("replay-capture")(replay_capture)
app.command()(receive)


def main() -> None:
    """Run the command line; a foreseen error is one line on stderr and an exit code."""
    try:
        app(prog_name="switchhook")
    except ConfigError as error:
        complain(error.problems)
        sys.exit(MISUSED)
    except SwitchhookError as error:
        complain([str(error)])
        sys.exit(FAILED)


def _chosen(services: list[ServiceName] | None) -> list[ServiceName]:
    """In the order in which events pass them, and each once."""
    return [name for name in ServiceName if not services or name in services]


if __name__ == "__main__":
    main()
