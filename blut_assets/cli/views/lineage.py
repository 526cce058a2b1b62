"""Computes what an artifact was made of and what was made of it, for `blut lineage` and the cockpit."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.cli.run.ancestry import Ancestry
    from blut_assets.history.identify import Identified
    from blut_assets.history.lineage import Lineage


def lineage_rows(instance: "dg.DagsterInstance", asked: str) -> list[dict[str, Any]]:
    """Returns what `blut lineage ASKED --down --json` prints: a row for each artifact that may be meant.

    Raises:
        LookupError: nothing is known of it, or more than one artifact may be meant.
        StoreError: a file cannot be read.
    """
    from blut_assets.cli.run.ancestry import Ancestry
    from blut_assets.history.identify import identify
    from blut_assets.history.lineage import Lineage
    from blut_resources.instance.instance import store_of

    store, known = store_of(instance), Lineage(instance)
    ancestry = Ancestry(instance, store, known)
    return [lineage_row(asked, one, known, ancestry, down=True) for one in identify(asked, known, store)]


def lineage_row(
    asked: str, found: "Identified", known: "Lineage", ancestry: "Ancestry", *, down: bool
) -> dict[str, Any]:
    """Returns an artifact with all that it was made of, as plain values; and with all that was made of it."""
    below = known.below(found.digest)[1:] if down else []
    return {
        "asked": asked,
        "digest": found.digest,
        "found_by": found.how,
        "artifacts": [ancestry.node(digest) for digest in known.above(found.digest)],
        "runs": ancestry.runs(found.digest),
        **({"made_of_it": [ancestry.node(digest) for digest in below]} if down else {}),
    }
