"""Declares ``lamquant_data_prep``: recordings into a corpus, with what people have marked in them."""

from collections.abc import Mapping

from blut_assets.recipes import Metric, Recipe, config_from, like
from blut_assets.stages import StageConfig
from cookbooks.lamquant.annotations.classify import Unknown
from cookbooks.lamquant.annotations.reading import Labels
from cookbooks.lamquant.annotations.vocabulary import parse_vocabulary, read_vocabulary
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, Recordings
from cookbooks.lamquant.configs.labelling import AnnotationFilesConfig, AnnotationsConfig
from cookbooks.lamquant.corpus import lma_corpus
from cookbooks.lamquant.labelling import annotation_files, annotations, newly_annotated, vocabulary_path
from cookbooks.lamquant.recipes.args import CorpusArgs
from cookbooks.lamquant.sources import recordings


class DataPrepArgs(CorpusArgs):
    """Holds the args of ``lamquant_data_prep``."""

    labels: Labels = like(AnnotationsConfig, "labels")
    vocabulary: str = like(AnnotationsConfig, "vocabulary")
    unknown: Unknown = like(AnnotationsConfig, "unknown")


def _configure(args: DataPrepArgs) -> Mapping[str, StageConfig]:
    path = vocabulary_path(args.vocabulary)
    parse_vocabulary(read_vocabulary(path), path.name)
    return {
        **args.corpus_configs(),
        "annotation_files": config_from(AnnotationFilesConfig, args),
        "annotations": config_from(AnnotationsConfig, args),
    }


DATA_PREP = Recipe(
    name="lamquant_data_prep",
    category="data-prep",
    description="EDF/BDF recordings into a lossless LMA corpus, with what people have marked in them.",
    args=DataPrepArgs,
    assets=[recordings, lma_corpus, annotation_files, annotations],
    output=LmaCorpus,
    configure=_configure,
    input_kinds=[Recordings.kind],
    metric=Metric(lma_corpus, "compression_ratio", "highest"),
    annotated=newly_annotated,
    demo="args_demo_corpus",
)
