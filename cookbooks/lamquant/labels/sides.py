"""Sees to it that each side of a split has a patient with seizures, or says what to do."""

from collections.abc import Mapping, Sequence

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.subjects.lookup import listed

SIDES = ("train", "val", "test")


class SeizuresMissing(Refused):
    """Says which side of the split has no patient with seizures, and the remedy."""


def require_critical(critical: Mapping[str, str], unlabelled: Sequence[str] = ()) -> None:
    """Refuse labels by which nothing can be learned, chosen or judged.

    Args:
        critical: the side of each patient with a critical event.
        unlabelled: recordings that somebody would have to annotate first.

    Raises:
        SeizuresMissing: a side has no such patient.
    """
    empty = [side for side in SIDES if side not in critical.values()]
    if not empty:
        return
    if len(critical) < len(SIDES):
        more = f"; {len(unlabelled)} recordings have no labels" if unlabelled else ""
        raise SeizuresMissing(
            f"{len(critical)} patients have seizures in their annotations, and train, val and test need one"
            f" each{more}: add annotated recordings of more patients, or see what `labels` and `unknown` say"
        )
    found = {side: sorted(p for p, home in critical.items() if home == side) for side in SIDES}
    where = "; ".join(f"{side}: {listed(found[side], 5)}" for side in SIDES if found[side])
    raise SeizuresMissing(
        f"no patient with seizures is in {' and '.join(empty)}; they are in {where}. Say"
        f' "stratify": "critical", or name test_subjects and val_subjects so that each side has seizures'
    )
