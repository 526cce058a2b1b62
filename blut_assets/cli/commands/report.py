"""Implements `blut report`: one file about a run, for somebody who has no Blut."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from blut_assets.cli.commands.model_common import explained, no_such_model, version_or_entry
from blut_assets.cli.shell.completion import complete_run_or_reference
from blut_assets.terminal.lazy import single
from blut_assets.terminal.output import AsJson, failed, print_json, size, wrong

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.cli.report.gathered import Report

app = single()
HTML, PDF, CARD = ".html", ".pdf", ".md"


@app.command()
@explained
def report(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="ID|NAME@ALIAS",
            help="A run's id, or enough of its beginning; or a registered model, such as mine@prod or mine@3,"
            " for the run that made it.",
            autocompletion=complete_run_or_reference,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="A new file, FILE.html or FILE.pdf; or README.md, a model card.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Write what a run came to into one file that can be sent and printed.

    What was trained on what, plan and cost, curves, verdict, pictures, lineage, and how to repeat it. It
    loads nothing, so it can be read offline. A PDF takes Chromium. FILE.md is a model card, with the front
    matter that model hubs read, without pictures. A run that failed, goes on, reused everything or lost some
    of its files is told as that.
    """
    from blut_assets.cli.report.card import card
    from blut_assets.cli.report.page import page
    from blut_assets.cli.report.paper import NoPaper, as_pdf, browser
    from blut_resources.files.durable import new_file
    from blut_resources.instance.instance import open_instance

    kind = output.suffix.lower()
    if kind not in (HTML, PDF, CARD):
        wrong(f"-o {output}: a report is FILE{HTML} or FILE{PDF}, a model card FILE{CARD}")
    if os.path.lexists(output):
        wrong(f"-o {output}: is there already; name another file")
    if not output.parent.is_dir():
        wrong(f"-o {output}: there is no directory {output.parent}; make it first, or name another file")
    try:
        if kind == PDF:
            browser()
        with open_instance(write=False) as instance:
            found = report_of(instance, asked)
        text = card(found) if kind == CARD else page(found, time.time())
        data = as_pdf(text) if kind == PDF else text.encode()
        with new_file(output) as file:
            file.write(data)
    except NoPaper as error:
        failed(f"-o {output}: {error}")
    except FileExistsError:
        failed(f"-o {output}: is there already; name another file")
    if as_json:
        about = {"run": found.standing.get("id", ""), "model": found.model, "missing": [*found.missing]}
        print_json({"file": str(output), "bytes": len(data), "state": found.standing.get("state"), **about})
    else:
        typer.echo("\n".join([f"{output}: {size(len(data))}", *(f"missing: {m}" for m in found.missing)]))


def report_of(instance: "dg.DagsterInstance", asked: str) -> "Report":
    """Returns the report of a run, or of the run that made a registered model.

    Raises:
        RegistryError: neither is called that.
    """
    from blut_assets.cli.commands.results import results_of
    from blut_assets.cli.report.gathered import ReportMaker
    from blut_assets.cli.run.lookup import run_named
    from blut_assets.cli.views.jobs import job_row
    from blut_resources.instance.instance import store_of
    from blut_resources.registry.models import ModelRegistry, RegistryError

    registry = ModelRegistry(store_of(instance).root / "registry")
    name, at, _ = asked.partition("@")
    if name in registry.names() and not at:
        raise RegistryError(
            f"{name} is a model: name a version or an alias, such as {name}@1; see `blut model show {name}`"
        )
    if at and name not in registry.names():
        raise no_such_model(registry, name)
    record = version_or_entry(registry, asked) if at else None
    made_by = getattr(record, "run", "")
    if record and not (made_by and instance.has_run(made_by)):
        return ReportMaker(instance).of_model(asked, record)
    run = run_named(instance, made_by or asked)
    row = job_row(instance, instance.get_run_record_by_id(run.run_id))
    return ReportMaker(instance).of_run(run, results_of(instance, run), row, asked if at else "", record)
