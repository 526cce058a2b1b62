"""Defines typed configs of what judges a codec. Fields in ``HOW`` say how to compute, not what."""

from typing import Annotated, ClassVar

from pydantic import Field

from blut_assets.changes import ChangeArgs, ChangeFields
from blut_assets.paths import AsPath
from blut_assets.recipes import like
from blut_assets.stages import StageConfig

DRY_RUN_ID = "PCCP-CHG-DRYRUN"
RETRAIN = "A.1"
CHANGE_CLASS = "A retrain, B threshold, C architecture, D bit width"


class FloorRegistryConfig(StageConfig):
    """Says which floors to judge by."""

    registry: Annotated[str, AsPath()] = Field(
        "", description="YAML file with floors; the shipped sample registry if empty"
    )
    registered_as: str = Field(
        "", description="registered model that the floors are for; the one in the file if empty"
    )


class PccpVerdictConfig(StageConfig):
    """Describes the change that is judged, in the words of a predetermined change control plan.

    ``promote_as`` decides nothing by its name; what it stands for is part of the fingerprint.
    """

    HOW: ClassVar[frozenset[str]] = frozenset({"promote_as"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset(
        {"change_id", "description", "author", "change_class", "promote_as"}
    )

    change_id: str = like(ChangeFields, "change_id", default=DRY_RUN_ID, description=None)
    description: str = like(ChangeFields, "description", description=None)
    author: str = like(ChangeFields, "author", description=None)
    change_class: str = Field(RETRAIN, description=CHANGE_CLASS)
    promote_as: str = like(
        ChangeArgs, "promote_as", description="name@alias whose holder the candidate is measured beside"
    )
