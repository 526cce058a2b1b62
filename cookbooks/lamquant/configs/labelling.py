"""Defines typed configs of what people have marked in recordings."""

from typing import Annotated, ClassVar

from pydantic import Field

from blut_assets.paths import AsPath
from blut_assets.stages import StageConfig
from cookbooks.lamquant.annotations.classify import Unknown
from cookbooks.lamquant.annotations.reading import Labels
from cookbooks.lamquant.configs.corpus import RecordingsConfig
from cookbooks.lamquant.configs.sources import BUILT
from cookbooks.lamquant.labels.kinds import Unannotated


class AnnotationFilesConfig(RecordingsConfig):
    """Says where the recordings are beside which lists are looked for."""

    edf_root: Annotated[str, AsPath(BUILT, part=True)] = Field(
        "", description=RecordingsConfig.model_fields["edf_root"].description
    )


class AnnotationsConfig(StageConfig):
    """Says which annotations count, and for what. Of the vocabulary its content counts, not its path."""

    HOW: ClassVar[frozenset[str]] = frozenset({"vocabulary"})

    labels: Labels = Field(
        "auto",
        description="source of annotations: auto asks all that are there, and refuses those that disagree",
    )
    vocabulary: Annotated[str, AsPath()] = Field(
        "",
        description="YAML file that says what texts of annotations stand for; the shipped one if empty",
    )
    unknown: Unknown = Field(
        "refuse",
        description="a text that the vocabulary does not know: refuse the labels of its recording, or take it"
        " as interesting",
    )


class ActivityLabelsConfig(StageConfig):
    """Says how marks become a label for each frame."""

    frame_s: float = Field(0.25, ge=0.1, le=2, description="seconds of a frame, in whole milliseconds")
    unannotated: Unannotated = Field(
        "exclude",
        description="recordings of which nobody has said anything: exclude leaves them out, quiet takes them"
        " for recordings without a seizure",
    )
