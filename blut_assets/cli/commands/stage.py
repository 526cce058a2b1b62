"""Implements `blut stage list|run`: the assets that a cookbook declares, and one of them by itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from blut_assets.cli.run.arguments import Partition, Tag
from blut_assets.cli.run.detach import Detach, DetachedAsJson, fork_if
from blut_assets.cli.shell.catalogue import catalogue, complete_stage
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, failed, listing, wrong
from blut_resources.text import meant, said_of

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.stages.spec import StageConfig


class Alone(NamedTuple):
    """Stands for one stage, run by itself."""

    name: str
    assets: "list[dg.AssetsDefinition]"


app = group("Single assets, and making one.")


@app.command("list")
def list_stages(
    cookbook: Annotated[str, typer.Option("--cookbook", help="Only those of this cookbook.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the assets: group, what each takes and makes, and when it runs.

    `once` is reused while nothing it depends on changes; the others look at the outside world or act on it.
    """
    rows = [one for one in catalogue()["stages"] if cookbook in ("", one["cookbook"])]
    if not as_json:
        rows = [
            {
                "name": one["name"],
                "group": one["group"],
                "takes": ", ".join(key.rpartition("/")[2] for key in one["inputs"]),
                "makes": one["output"],
                "runs": one["runs"],
            }
            for one in rows
        ]
    listing(rows, as_json, "no stages: no cookbook of that name is installed")


@app.command("run")
def run_stage(
    name: Annotated[
        str,
        typer.Argument(help="COOKBOOK/ASSET", autocompletion=complete_stage),
    ],
    config: Annotated[
        str, typer.Option("--config", metavar="JSON", help="Its config: a JSON object, or @FILE.")
    ] = "{}",
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME=PATH|-",
            help="A file or directory in the place of what that input's asset last made; - is standard input."
            " Any number of times.",
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            metavar="PATH|-",
            help="Copy what it made to this path, which must not exist: as a directory, or, with a suffix as"
            " in x.json, as the file; - is standard output.",
        ),
    ] = "",
    partition: Partition = None,
    tag: Tag = None,
    detach: Detach = False,
    as_json: DetachedAsJson = False,
) -> None:
    """Make one asset from what the assets above it last made; reused if that is what there is already.

    With --output - nothing but the bytes is on standard output, and what the run says on standard error.
    """
    from blut_assets.cli.run.arguments import load_object, refuse_lacking, tags_given, with_data
    from blut_assets.cli.run.hand_out import STDOUT, hand_out, kept_clean, refuse_early

    if detach and output == STDOUT:
        wrong("--output -: a run that is detached has no standard output; name a path")
    fork_if(detach, as_json)
    tags = tags_given(tag)
    output = refuse_early(output)
    with kept_clean(output) as out:
        from blut_assets.cli.run.given import given_inputs
        from blut_assets.cli.run.launching import execute
        from blut_assets.cli.run.partitions import chosen_keys, run_each
        from blut_assets.definitions import defs, discovered
        from blut_assets.stages.handles import given_tags
        from blut_assets.stages.spec import spec_of
        from blut_resources.instance.instance import open_instance

        stages = [asset for cookbook in discovered.cookbooks for asset in cookbook.stages().values()]
        chosen = {asset.key.to_user_string(): asset for asset in stages}.get(name)
        spec = spec_of(chosen) if chosen else None
        if chosen is None or spec is None:
            near = meant(name, [asset.key.to_user_string() for asset in stages])
            wrong(f"no stage is called {name!r}{near}; `blut stage list` lists them")
        refuse_lacking(name, next(book.extras for book in discovered.cookbooks if chosen in book.assets))
        values = with_data(load_object(config, "--config"))
        valid = _config(chosen, values)
        values = valid.model_dump(mode="json", include=set(values))  # paths are absolute there
        ops = {"ops": {"__".join(chosen.key.path): {"config": values}}} if values else {}
        job = defs.resolve_implicit_global_asset_job_def()
        alone, configs = Alone(name, [chosen]), {chosen.key: valid}
        with open_instance() as instance:
            keys = chosen_keys(instance, name, spec.partitions, partition or ())
            given = given_inputs(instance, spec, inputs or ())
        if output and len(keys) > 1:
            wrong(f"--output {output}: what {len(keys)} partitions make cannot be copied to one place")
        how = {"selection": [chosen.key], "tags": tags | given_tags(given)}
        status = run_each(keys, lambda key: execute(job, ops, alone, configs, partition=key, **how))
        if output and not status:
            hand_out(_made(chosen.key, keys[0]), output, out)
    raise typer.Exit(status)


def _config(asset: "dg.AssetsDefinition", values: dict[str, object]) -> "StageConfig":
    """Returns the values of --config as the stage takes them; else the command ends with status 2."""
    from pydantic import ValidationError

    from blut_assets.stages.spec import spec_of

    spec = spec_of(asset)
    assert spec is not None
    unknown = sorted(values.keys() - spec.config.model_fields.keys())
    if unknown:
        wrong(
            f"--config: no such field {', '.join(unknown)}{meant(unknown[0], spec.config.model_fields)};"
            f" there are {', '.join(spec.config.model_fields)}"
        )
    missing = [n for n, i in spec.config.model_fields.items() if i.is_required() and n not in values]
    if missing:
        wrong(f"--config: {', '.join(missing)} must be given, such as --config '{{\"{missing[0]}\": ...}}'")
    try:
        return spec.config(**values)
    except ValidationError as error:
        lines = [
            f"--config: {'.'.join(map(str, p['loc']))} = {p['input']!r}: {said_of(p)}" for p in error.errors()
        ]
        wrong("\n".join(lines))


def _made(key: "dg.AssetKey", partition: str | None) -> Path:
    """Returns where the bytes are that an asset, or a partition of it, made last."""
    from blut_assets.stages import reuse
    from blut_resources.instance.instance import open_instance, store_of

    with open_instance(write=False) as instance:
        record = next(reuse.materializations(instance, key, partition, first=1), None)
        event = record.asset_materialization if record else None
        digest = reuse.digest_of(event) if event else ""
        if not digest:
            failed(f"{key.to_user_string()} left nothing to copy")
        return store_of(instance).open(digest)
