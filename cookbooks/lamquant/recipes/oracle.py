"""Declares ``lamquant_oracle``: how much room there is above a codec that a device can run."""

from collections.abc import Mapping
from typing import Any

from blut_assets.recipes import Metric, Recipe, config_from, like
from blut_assets.stages import StageConfig
from cookbooks.lamquant.artifacts.corpus import Recordings
from cookbooks.lamquant.artifacts.verdicts import OracleVerdict
from cookbooks.lamquant.configs.promotion import PromotedCodecConfig
from cookbooks.lamquant.configs.training import JointCheckpointConfig, TeacherCheckpointConfig
from cookbooks.lamquant.configs.verdict import FloorRegistryConfig, PccpVerdictConfig
from cookbooks.lamquant.corpus import lma_corpus, split_manifest, training_windows
from cookbooks.lamquant.floors import SHIPPED_ORACLE_REGISTRY, oracle_floors
from cookbooks.lamquant.promotion import promoted_oracle
from cookbooks.lamquant.recipes.args import CodecTrainingArgs, WindowsArgs
from cookbooks.lamquant.recipes.refusals import MEASURED_ON, JudgedOnSplit, refuse_what_the_gate_would
from cookbooks.lamquant.sources import recordings, registry_path, split_request
from cookbooks.lamquant.training import joint_checkpoint, teacher_checkpoint
from cookbooks.lamquant.verdicts.oracle import oracle_verdict


class OracleArgs(JudgedOnSplit, WindowsArgs, CodecTrainingArgs):
    """Holds the args of ``lamquant_oracle``; ``epochs``, ``batch_size`` and ``lr`` are the joint codec's."""

    tier: Any = like(JointCheckpointConfig, "tier")
    encoder: str = like(JointCheckpointConfig, "encoder")
    teacher_hidden: int = like(TeacherCheckpointConfig, "teacher_hidden")
    teacher_width: int | None = like(TeacherCheckpointConfig, "teacher_width")
    teacher_epochs: int | None = like(TeacherCheckpointConfig, "teacher_epochs")


def _configure(args: OracleArgs) -> Mapping[str, StageConfig]:
    refuse_what_the_gate_would(args, registry_path(args.registry, SHIPPED_ORACLE_REGISTRY), "oracle")
    return {
        **args.windows_configs(),
        "joint_checkpoint": config_from(JointCheckpointConfig, args),
        "teacher_checkpoint": config_from(TeacherCheckpointConfig, args),
        "oracle_floors": config_from(FloorRegistryConfig, args),
        "oracle_verdict": config_from(PccpVerdictConfig, args),
        "promoted_oracle": config_from(PromotedCodecConfig, args, alias=args.promote_as),
    }


ORACLE = Recipe(
    name="lamquant_oracle",
    category="eval",
    description="Measure what a codec without a device's limits would save at equal PRDN on unseen patients.",
    args=OracleArgs,
    assets=[
        *(recordings, lma_corpus, split_request, split_manifest, training_windows),
        *(joint_checkpoint, teacher_checkpoint, oracle_floors, oracle_verdict, promoted_oracle),
    ],
    output=OracleVerdict,
    configure=_configure,
    input_kinds=[Recordings.kind],
    metric=Metric(oracle_verdict, "headroom_bits_pct", "highest", only_if="passed", within=MEASURED_ON),
    demo="args_demo_oracle",
)
