"""Implements `blut model export`: a registered model as a directory that other programs take."""

from pathlib import Path
from typing import Annotated

import typer

from blut_assets.cli.commands.model_common import AliasOrVersion, explained
from blut_assets.terminal.output import AsJson, failed, print_json, size, wrong

CARD = "README.md"


@explained
def export(
    model: AliasOrVersion,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new directory.")],
    form: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="FORM",
            help="files, as they are stored, or a form that its cookbook has; another word lists them.",
        ),
    ] = "files",
    as_json: AsJson = False,
) -> None:
    """Write a model into a new directory, with a model card, for programs that know nothing of Blut.

    The bytes are checked against their digests first.
    """
    from blut_assets.cli.commands.report import report_of
    from blut_assets.cli.report.card import card
    from blut_assets.definitions import discovered
    from blut_assets.model_forms import FormRefused, ModelBytes, in_form, write_directory
    from blut_resources.instance.instance import open_instance, store_of
    from blut_resources.registry.models import ModelRegistry

    if directory.exists() or directory.is_symlink():
        wrong(f"DIR {directory}: is there already; name a new one")
    if not directory.parent.is_dir():
        wrong(f"DIR {directory}: there is no directory {directory.parent}; make it first")
    with open_instance(write=False) as instance:
        store = store_of(instance)
        record = ModelRegistry(store.root / "registry").registration(model)
        digests = {"candidate": record.candidate, **record.inputs}
        try:
            made = in_form(
                ModelBytes(record.model, digests, store), form, [one.forms for one in discovered.cookbooks]
            )
        except FormRefused as error:
            failed(f"{error}; nothing was written")
        text = card(report_of(instance, model), made.front)
        n_bytes = write_directory({**made.files, CARD: text.encode()}, directory)
    if as_json:
        files = sorted([*made.files, CARD])
        about = {"model": record.model, "as": form, "directory": str(directory)}
        print_json({**about, "files": files, "bytes": n_bytes})
    else:
        typer.echo(f"{directory}: {record.model} as {form}, {len(made.files) + 1} files, {size(n_bytes)}")
