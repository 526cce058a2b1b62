"""Finds out before a training what a gate, a promotion or a split would refuse after it."""

import functools
from pathlib import Path

from blut_assets.changes import refuse_unanswered
from blut_resources.registry.log import RegistryError, check_name
from cookbooks.lamquant.gate.floors import (
    FloorRegistryFile,
    GateName,
    parse_registry,
    read_registry,
    registry_file,
)
from cookbooks.lamquant.gate.in_force import parse_for
from cookbooks.lamquant.gate.registry import Registry
from cookbooks.lamquant.recipes.args import JudgedArgs, SplitArgs
from cookbooks.lamquant.signal.listing import refuse_beside
from cookbooks.lamquant.signal.placing import SplitPolicy
from cookbooks.lamquant.sources import requested
from cookbooks.lamquant.subjects.sides import SPLITS

MEASURED_ON = ("lma_corpus", "split_manifest")
"""Inputs of every verdict by which its figures may be compared with those of another: the same sealed set."""


class JudgedOnSplit(SplitArgs, JudgedArgs):
    """Holds the args of every recipe that judges on sealed patients."""


def refuse_what_the_gate_would(args: JudgedOnSplit, path: Path, gate: GateName | None = None) -> None:
    """Refuse a change, a name or a split that the verdict or the promotion would refuse.

    Args:
        path: of the registry of floors that the candidate will be judged by, or of a directory with it alone.
        gate: whose registry that has to be; the codec's if not given.

    Raises:
        ValueError: naming the field, and the remedy.
    """
    path = registry_file(path)
    registry = _parsed(gate, read_registry(path), path.name)
    registry.authorise(args.change)
    model = args.registered_as or registry.model
    if args.registered_as:
        _refuse_no_name(model)
        if isinstance(registry, Registry) and not registry.gate:
            raise ValueError(
                f"registered_as = {model!r}: give a registry that says by `gate` which gate it is for"
            )
    name, separator, alias = args.promote_as.partition("@")
    if args.promote_as and (not separator or not alias or name != model):
        whose = (
            "which registered_as says" if args.registered_as else f"the model that {path.name} is floors of"
        )
        other = "" if args.registered_as else "; for a name of your own give floors of your own as `registry`"
        raise ValueError(f"promote_as = {args.promote_as!r}: give {model}@ALIAS, {whose}{other}")
    refuse_unanswered(args, synthetic=args.is_synthetic())
    _refuse_what_the_split_would(args)


@functools.lru_cache(maxsize=4)  # the trials of a sweep have one
def _parsed(gate: GateName | None, data: bytes, name: str) -> FloorRegistryFile | Registry:
    return parse_for(gate, data, name) if gate else parse_registry(data, name)


def _refuse_no_name(model: str) -> None:
    try:
        check_name("registered_as", model)
    except RegistryError as error:
        raise ValueError(str(error)) from None


def _refuse_what_the_split_would(args: SplitArgs) -> None:
    """Find out before anything is encoded what is wrong with the user's files, or beside them."""
    request = requested(args.manifest, args.subjects)
    named = {split: tuple(getattr(args, f"{split}_subjects")) for split in SPLITS}
    policy = SplitPolicy(
        args.split_seed, args.val_fraction, args.test_fraction, named, args.unlisted, args.test_from
    )
    refuse_beside(policy, manifest=bool(request.sides))
