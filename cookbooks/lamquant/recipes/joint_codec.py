"""Declares ``lamquant_joint_codec``: train the codec, judge it on unseen patients, promote it."""

from collections.abc import Mapping
from typing import Any

from blut_assets.recipes import Metric, Recipe, config_from, like
from blut_assets.stages import StageConfig
from cookbooks.lamquant.artifacts.corpus import Recordings
from cookbooks.lamquant.artifacts.verdicts import PccpVerdict
from cookbooks.lamquant.configs.promotion import PromotedCodecConfig
from cookbooks.lamquant.configs.training import JointCheckpointConfig
from cookbooks.lamquant.configs.verdict import FloorRegistryConfig, PccpVerdictConfig
from cookbooks.lamquant.corpus import lma_corpus, split_manifest, training_windows
from cookbooks.lamquant.floors import floor_registry
from cookbooks.lamquant.gate.board import rate_board
from cookbooks.lamquant.promotion import promoted_codec
from cookbooks.lamquant.recipes.args import CodecTrainingArgs, WindowsArgs
from cookbooks.lamquant.recipes.refusals import MEASURED_ON, JudgedOnSplit, refuse_what_the_gate_would
from cookbooks.lamquant.sources import recordings, registry_path, split_request
from cookbooks.lamquant.training import joint_checkpoint
from cookbooks.lamquant.verdicts.joint import pccp_verdict


class JointCodecArgs(JudgedOnSplit, WindowsArgs, CodecTrainingArgs):
    """Holds the args of ``lamquant_joint_codec``."""

    tier: Any = like(JointCheckpointConfig, "tier")


def _configure(args: JointCodecArgs) -> Mapping[str, StageConfig]:
    refuse_what_the_gate_would(args, registry_path(args.registry))
    return {
        **args.windows_configs(),
        "joint_checkpoint": config_from(JointCheckpointConfig, args),
        "floor_registry": config_from(FloorRegistryConfig, args),
        "pccp_verdict": config_from(PccpVerdictConfig, args),
        "promoted_codec": config_from(PromotedCodecConfig, args, alias=args.promote_as),
    }


JOINT_CODEC = Recipe(
    name="lamquant_joint_codec",
    category="train",
    description="Train the joint codec, judge it on unseen patients, promote it if it passes.",
    args=JointCodecArgs,
    assets=[
        *(recordings, lma_corpus, split_request, split_manifest, training_windows),
        *(joint_checkpoint, floor_registry, pccp_verdict, promoted_codec),
    ],
    output=PccpVerdict,
    configure=_configure,
    input_kinds=[Recordings.kind],
    metric=Metric(
        pccp_verdict, "worst_prdn", "lowest", only_if="passed", within=MEASURED_ON, shows=rate_board
    ),
    demo="args_demo",
)
