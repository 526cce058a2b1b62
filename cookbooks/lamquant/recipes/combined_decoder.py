"""Declares ``lamquant_combined_decoder``: a better decoder for a codec's files, and a teacher."""

from collections.abc import Mapping
from typing import Any

from blut_assets.recipes import Metric, Recipe, config_from, like
from blut_assets.stages import StageConfig
from cookbooks.lamquant.artifacts.corpus import Recordings
from cookbooks.lamquant.artifacts.verdicts import DecoderVerdict
from cookbooks.lamquant.configs.promotion import PromotedCodecConfig
from cookbooks.lamquant.configs.training import DecoderCheckpointConfig, JointCheckpointConfig
from cookbooks.lamquant.configs.verdict import FloorRegistryConfig, PccpVerdictConfig
from cookbooks.lamquant.corpus import lma_corpus, split_manifest, training_windows
from cookbooks.lamquant.floors import SHIPPED_DECODER_REGISTRY, decoder_floors
from cookbooks.lamquant.promotion import promoted_decoder
from cookbooks.lamquant.recipes.args import CodecTrainingArgs, WindowsArgs
from cookbooks.lamquant.recipes.refusals import MEASURED_ON, JudgedOnSplit, refuse_what_the_gate_would
from cookbooks.lamquant.sources import recordings, registry_path, split_request
from cookbooks.lamquant.training import decoder_checkpoint, joint_checkpoint
from cookbooks.lamquant.verdicts.decoder import decoder_verdict


class CombinedDecoderArgs(JudgedOnSplit, WindowsArgs, CodecTrainingArgs):
    """Holds the args of ``lamquant_combined_decoder``.

    ``tier``, ``epochs``, ``batch_size`` and ``lr`` are the joint codec's, which is trained first unless
    ``encoder`` names one.
    """

    tier: Any = like(JointCheckpointConfig, "tier")
    encoder: str = like(JointCheckpointConfig, "encoder")
    decoder_width: int | None = like(DecoderCheckpointConfig, "decoder_width")
    decoder_depth: int | None = like(DecoderCheckpointConfig, "decoder_depth")
    decoder_epochs: int | None = like(DecoderCheckpointConfig, "decoder_epochs")
    teacher: bool = like(DecoderCheckpointConfig, "teacher")
    teacher_hidden: int = like(DecoderCheckpointConfig, "teacher_hidden")


def _configure(args: CombinedDecoderArgs) -> Mapping[str, StageConfig]:
    refuse_what_the_gate_would(args, registry_path(args.registry, SHIPPED_DECODER_REGISTRY), "decoder")
    return {
        **args.windows_configs(),
        "joint_checkpoint": config_from(JointCheckpointConfig, args),
        "decoder_checkpoint": config_from(DecoderCheckpointConfig, args),
        "decoder_floors": config_from(FloorRegistryConfig, args),
        "decoder_verdict": config_from(PccpVerdictConfig, args),
        "promoted_decoder": config_from(PromotedCodecConfig, args, alias=args.promote_as),
    }


COMBINED_DECODER = Recipe(
    name="lamquant_combined_decoder",
    category="train",
    description="Train a better decoder for files that exist, judge it on the same bytes, promote it.",
    args=CombinedDecoderArgs,
    assets=[
        *(recordings, lma_corpus, split_request, split_manifest, training_windows),
        *(joint_checkpoint, decoder_checkpoint, decoder_floors, decoder_verdict, promoted_decoder),
    ],
    output=DecoderVerdict,
    configure=_configure,
    input_kinds=[Recordings.kind],
    metric=Metric(decoder_verdict, "gain_pct", "highest", only_if="passed", within=MEASURED_ON),
    demo="args_demo_decoder",
)
