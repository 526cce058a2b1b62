"""Declares ``lamquant_full_pipeline``: codec, controller, and bits that follow what the controller sees."""

from collections.abc import Mapping
from typing import Literal

from blut_assets.recipes import Metric, Recipe, config_from, like
from blut_assets.stages import StageConfig
from cookbooks.lamquant.adapting import adaptive_codec
from cookbooks.lamquant.artifacts.corpus import Recordings
from cookbooks.lamquant.artifacts.verdicts import PipelineVerdict
from cookbooks.lamquant.configs.adapting import AdaptiveCodecConfig
from cookbooks.lamquant.configs.promotion import PromotedCodecConfig
from cookbooks.lamquant.configs.training import JointCheckpointConfig
from cookbooks.lamquant.configs.verdict import FloorRegistryConfig, PccpVerdictConfig
from cookbooks.lamquant.controlling import activity_labels, mae_checkpoint, snn_checkpoint
from cookbooks.lamquant.corpus import lma_corpus, split_manifest, training_windows
from cookbooks.lamquant.floors import SHIPPED_PIPELINE_REGISTRY, pipeline_floors
from cookbooks.lamquant.labelling import annotation_files, annotations, newly_annotated
from cookbooks.lamquant.promotion import promoted_pipeline
from cookbooks.lamquant.recipes.args import CodecTrainingArgs, LabelArgs, WindowsArgs
from cookbooks.lamquant.recipes.refusals import MEASURED_ON, JudgedOnSplit, refuse_what_the_gate_would
from cookbooks.lamquant.recipes.snn import ControllerArgs
from cookbooks.lamquant.sources import recordings, registry_path, split_request
from cookbooks.lamquant.training import joint_checkpoint
from cookbooks.lamquant.verdicts.pipeline import pipeline_verdict


class FullPipelineArgs(JudgedOnSplit, LabelArgs, WindowsArgs, ControllerArgs, CodecTrainingArgs):
    """Holds the args of ``lamquant_full_pipeline``; what says how to train holds for codec and controller."""

    levels: list[int] = like(AdaptiveCodecConfig, "levels")
    profile: Literal["full", "device"] = like(AdaptiveCodecConfig, "profile")


def _configure(args: FullPipelineArgs) -> Mapping[str, StageConfig]:
    refuse_what_the_gate_would(args, registry_path(args.registry, SHIPPED_PIPELINE_REGISTRY), "pipeline")
    args.refuse_gpu()
    return {
        **args.windows_configs(),
        **args.label_configs(),
        "joint_checkpoint": config_from(JointCheckpointConfig, args, tier="all"),
        **args.controller_configs(),
        "adaptive_codec": config_from(AdaptiveCodecConfig, args),
        "pipeline_floors": config_from(FloorRegistryConfig, args),
        "pipeline_verdict": config_from(PccpVerdictConfig, args),
        "promoted_pipeline": config_from(PromotedCodecConfig, args, alias=args.promote_as),
    }


FULL_PIPELINE = Recipe(
    name="lamquant_full_pipeline",
    category="train",
    description="Train codec and controller, spend bits where seizures are, judge that on unseen patients.",
    args=FullPipelineArgs,
    assets=[
        *(recordings, lma_corpus, split_request, split_manifest, training_windows),
        *(annotation_files, annotations, activity_labels, joint_checkpoint, mae_checkpoint, snn_checkpoint),
        *(adaptive_codec, pipeline_floors, pipeline_verdict, promoted_pipeline),
    ],
    output=PipelineVerdict,
    configure=_configure,
    input_kinds=[Recordings.kind],
    metric=Metric(pipeline_verdict, "rate_advantage", "highest", only_if="passed", within=MEASURED_ON),
    annotated=newly_annotated,
    demo="args_demo_pipeline",
)
