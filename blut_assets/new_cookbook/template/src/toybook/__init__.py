"""Leads from a table of examples to a judged and promoted classifier: toybook."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blut_assets.recipes import Cookbook


def cookbook() -> "Cookbook":
    """Returns all that Blut is to know of this package; the entry point in ``pyproject.toml`` names it.

    The imports stay in here: payloads import this package too, and must not load Dagster.
    """
    from blut_assets.floors import FloorsFormat
    from blut_assets.recipes import Cookbook
    from blut_resources.runs.intent import Intents

    from toybook.floors import SCHEMA, SHIPPED, pinned_floors
    from toybook.recipes import CLASSIFIER
    from toybook.verdict import classifier_gate

    return Cookbook(
        name="toybook",
        assets=CLASSIFIER.assets,
        recipes=[CLASSIFIER],
        checks=[classifier_gate],
        floors=[FloorsFormat(SCHEMA, pinned_floors, SHIPPED)],
        # a run on made-up rows only tries whether all of it works; one that is to get a name is meant
        intents=Intents(smoke={"table": ("synthetic:*",)}, names=("promote_as", "alias")),
    )
