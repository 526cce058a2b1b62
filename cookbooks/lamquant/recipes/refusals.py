"""Finds out before a training what a gate, a promotion or a split would refuse after it."""

from blut_assets.changes import refuse_unanswered
from cookbooks.lamquant.gate.floors import FloorRegistryFile
from cookbooks.lamquant.gate.registry import Registry
from cookbooks.lamquant.recipes.args import JudgedArgs, SplitArgs
from cookbooks.lamquant.signal.listing import refuse_beside
from cookbooks.lamquant.signal.placing import SplitPolicy
from cookbooks.lamquant.sources import requested
from cookbooks.lamquant.subjects.sides import SPLITS


class JudgedOnSplit(SplitArgs, JudgedArgs):
    """Holds the args of every recipe that judges on sealed patients."""


def refuse_what_the_gate_would(args: JudgedOnSplit, registry: FloorRegistryFile | Registry) -> None:
    """Refuse a change, a name or a split that the verdict or the promotion would refuse.

    Args:
        registry: the floors that the candidate will be judged by.

    Raises:
        ValueError: naming the field, and the remedy.
    """
    registry.authorise(args.change)
    name, separator, alias = args.promote_as.partition("@")
    if args.promote_as and (not separator or not alias or name != registry.model):
        raise ValueError(
            f"promote_as = {args.promote_as!r}: give {registry.model}@ALIAS, the registry's model"
        )
    refuse_unanswered(args, synthetic=args.is_synthetic())
    _refuse_what_the_split_would(args)


def _refuse_what_the_split_would(args: SplitArgs) -> None:
    """Find out before anything is encoded what is wrong with the user's files, or beside them."""
    request = requested(args.manifest, args.subjects)
    named = {split: tuple(getattr(args, f"{split}_subjects")) for split in SPLITS}
    policy = SplitPolicy(
        args.split_seed, args.val_fraction, args.test_fraction, named, args.unlisted, args.test_from
    )
    refuse_beside(policy, manifest=bool(request.sides))
