"""Declares an artifact, the one way there is: typed inputs and output become a Dagster asset.

A stage function is called as ``fn(stage, <inputs and resources by name>, config)`` and returns an artifact
without a digest, having written the bytes to ``stage.out``. One that reports while it works is a generator:
it yields what `Stage.run` yields and returns the artifact at its end. Reuse, locking and recording happen
here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import dagster as dg

import blut_resources.dagster_private.config_schema  # noqa: F401 - reads that of many assets once
from blut_assets.pages.code_references import CODE_REFERENCES, code_references
from blut_assets.pages.documentation import FIELDS, columns, description
from blut_assets.pages.metadata import KIND
from blut_assets.stages.external import HANDLES_KEY
from blut_assets.stages.limits import NO_FOOTPRINT, Footprint
from blut_assets.stages.materialize import computes
from blut_assets.stages.notices import Notice
from blut_assets.stages.options import AssetOptions, checked
from blut_assets.stages.signature import signature_of
from blut_assets.stages.spec import LookUp, StageSpec
from blut_assets.stages.stage import Stage
from blut_assets.versions.fingerprint import code_version


def stage_asset(
    *,
    cookbook: str,
    group: str,
    name: str | None = None,
    ins: Mapping[str, str] | None = None,
    payloads: Sequence[str] = (),
    data: Sequence[str] = (),
    schema: int = 1,
    source: bool = False,
    side_effect: bool = False,
    headline: Sequence[str] = (),
    kinds: set[str] | None = None,
    owners: Sequence[str] | None = None,
    partitions_def: dg.PartitionsDefinition | None = None,
    partition_mappings: Mapping[str, dg.PartitionMapping] | None = None,
    footprint: Footprint = NO_FOOTPRINT,
    show: Callable[[Path], Mapping[str, Any]] | None = None,
    on_result: Callable[[Stage, Any], None] | None = None,
    freshness: dg.FreshnessPolicy | None = None,
    distributions: Sequence[str] = (),
    looks_up: LookUp | None = None,
    notices: Sequence[Notice] = (),
    **options: Unpack[AssetOptions],
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declare the artifact that a function makes.

    Args:
        cookbook: key prefix.
        group: the stage word, such as ``corpus`` or ``training``. The UI shows it behind the cookbook's name,
            ``plants_corpus``, unless it begins with that, so that the chains of two cookbooks do not cross.
        name: of the asset; the function's name if not given.
        ins: parameter name -> asset name (or ``cookbook/name``) where the two differ.
        payloads: the payload modules that the function runs; their source is part of the code version.
        data: files that the function or its payloads read and that lie beside their source, as paths or
            patterns relative to the directory of the function's module; they are part of the code version
            too. A path that the source spells out, such as ``Path(__file__).parent / "table.json"``, is
            found without this.
        schema: raise it to declare that older results are not to be reused.
        source: looks at the outside world, so it runs every time.
        side_effect: acts on the outside world, so it is never reused.
        headline: the facts that a one-line summary shows.
        owners: ``team:<cookbook>`` if not given.
        footprint: what its payload is expected to need of the machine, and default limits.
        show: what the UI is to show of the bytes, as metadata; it is not a part of the code version.
        on_result: what is to be done with every result, computed or reused, before checks look at it, such as
            registering it; doing it twice must do no harm. It is not a part of the code version.
        freshness: how old the newest materialization may get before the UI says so. A result that is the
            newest already is then reported as an observation, for nothing is fresher than it was.
        distributions: what its payloads import, by the names that pip knows; their versions become a part of
            the fingerprint, and a result is not reused where others are installed.
        looks_up: what it depends on that no asset makes, such as what an alias stands for: asked when it is
            planned and when it begins, part of its fingerprint as inputs are, and given as `Stage.looked_up`.
        notices: checks that warn, of a computed result and of a reused one, and stop nothing; they are not a
            part of the code version.
        partitions_def: one result for each partition; `Stage.partition` says which. A parameter
            ``dict[str, X]`` takes several partitions of another asset, each by its key.
        partition_mappings: by parameter, which partitions of the asset above belong to one of this asset;
            what Dagster takes on its own if not given.
        options: of ``dg.asset``, as `AssetOptions` lists them.

    Raises:
        ModuleNotFoundError: if a payload module does not exist.
        TypeError: if an annotation is missing or is not an artifact, a `StageConfig` or a resource, or an
            option would break what a stage asset promises.
        ValueError: if nothing is found for one of ``data``.
    """

    def declare(function: Callable[..., Any]) -> dg.AssetsDefinition:
        inputs, several, resources, config, output = signature_of(function)
        mappings = dict(partition_mappings or {})
        if unknown := sorted(mappings.keys() - inputs.keys()):
            raise TypeError(
                f"stage function {function.__qualname__}: partition_mappings names {', '.join(unknown)}, and"
                f" it takes {', '.join(inputs) or 'no input'}"
            )
        keys = {name: _key(cookbook, (ins or {}).get(name, name)) for name in inputs}
        spec = StageSpec(
            key=_key(cookbook, name or function.__name__),
            function=function,
            inputs=keys,
            input_types=inputs,
            output=output,
            config=config,
            code=code_version(function, payloads, schema, data),
            memoised=not (source or side_effect),
            source=source,
            headline=tuple(headline),
            footprint=footprint,
            show=show,
            distributions=tuple(distributions),
            on_result=on_result,
            looks_up=looks_up,
            several=several,
            resources=resources,
            partitions=partitions_def,
            mappings=mappings,
            notices=tuple(notices),
        )
        facts = {
            KIND: output.kind,
            FIELDS: columns(output),
            CODE_REFERENCES: code_references(function, payloads, spec.code),
        }
        told = {
            **checked(spec.key.to_user_string(), options, spec.memoised),
            "group_name": group_of(cookbook, group),
            "kinds": kinds,
            "owners": owners or [f"team:{cookbook}"],
            "freshness_policy": freshness,
            "description": description(function, output),
            "metadata": {**options.get("metadata", {}), **facts},
        }
        return defined(replace(spec, options=told))

    return declare


def defined(spec: StageSpec) -> dg.AssetsDefinition:
    """Returns the asset of a declaration."""
    ins = {
        name: dg.AssetIn(key=key, input_manager_key=HANDLES_KEY, partition_mapping=spec.mappings.get(name))
        for name, key in spec.inputs.items()
    }
    return dg.asset(
        **spec.options,
        key=spec.key,
        ins=ins,
        code_version=spec.code.value,
        io_manager_key=HANDLES_KEY,
        partitions_def=spec.partitions,
        check_specs=[notice.spec(spec.key) for notice in spec.notices],
    )(computes(spec))


def group_of(cookbook: str, stage: str) -> str:
    """Returns the group in which the UI shows the assets of a stage of a cookbook."""
    return stage if f"{stage}_".startswith(f"{cookbook}_") else f"{cookbook}_{stage}"


def _key(cookbook: str, name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/") if "/" in name else [cookbook, name])
