"""Declares ``lamquant_snn``: labels from annotations, a controller, and the gate on its decisions."""

from collections.abc import Mapping
from typing import Literal

from blut_assets.recipes import Metric, Recipe, config_from, like
from blut_assets.stages import StageConfig
from blut_resources.payload_kit.device import Device
from cookbooks.lamquant.artifacts.corpus import Recordings
from cookbooks.lamquant.artifacts.verdicts import SnnVerdict
from cookbooks.lamquant.configs.promotion import PromotedCodecConfig
from cookbooks.lamquant.configs.training import (
    JointCheckpointConfig,
    MaeCheckpointConfig,
    SnnCheckpointConfig,
)
from cookbooks.lamquant.configs.verdict import FloorRegistryConfig, PccpVerdictConfig
from cookbooks.lamquant.controlling import activity_labels, mae_checkpoint, snn_checkpoint
from cookbooks.lamquant.corpus import lma_corpus, split_manifest
from cookbooks.lamquant.floors import SHIPPED_SNN_REGISTRY, snn_floors
from cookbooks.lamquant.labelling import annotation_files, annotations, newly_annotated
from cookbooks.lamquant.promotion import promoted_snn
from cookbooks.lamquant.recipes.args import LabelArgs, TrainingArgs
from cookbooks.lamquant.recipes.refusals import MEASURED_ON, JudgedOnSplit, refuse_what_the_gate_would
from cookbooks.lamquant.sources import recordings, registry_path, split_request
from cookbooks.lamquant.verdicts.snn import snn_verdict


class ControllerArgs(TrainingArgs):
    """Says how the controller is trained, and its thresholds are chosen."""

    model: Literal["ssm", "lif", "logistic"] = like(SnnCheckpointConfig, "model")
    mae_pretrain: bool = like(MaeCheckpointConfig, "mae_pretrain")
    context_s: float = like(SnnCheckpointConfig, "context_s")
    lambda_spike: float = like(SnnCheckpointConfig, "lambda_spike")
    target_sensitivity: float = like(SnnCheckpointConfig, "target_sensitivity")
    min_event_s: float = like(SnnCheckpointConfig, "min_event_s")
    merge_s: float = like(SnnCheckpointConfig, "merge_s")
    hold_s: float = like(SnnCheckpointConfig, "hold_s")
    preroll_s: float = like(SnnCheckpointConfig, "preroll_s")
    failsafe_rms: float = like(SnnCheckpointConfig, "failsafe_rms")
    levels: list[int] = like(SnnCheckpointConfig, "levels")

    def refuse_gpu(self) -> None:
        """Refuse a device that the training does not use.

        Raises:
            ValueError: one was asked for.
        """
        if self.device == "cuda":
            raise ValueError("device = 'cuda': the controller is trained on the CPU: leave it out")

    def controller_configs(self) -> dict[str, StageConfig]:
        """Returns the configs of the trunk and of the controller.

        Raises:
            ValueError: a trunk is wanted for a model that has none.
        """
        if self.mae_pretrain and self.model != "ssm":
            raise ValueError(
                f"mae_pretrain = true: model={self.model!r} has no trunk: choose ssm, or leave it out"
            )
        return {
            "mae_checkpoint": config_from(MaeCheckpointConfig, self),
            "snn_checkpoint": config_from(SnnCheckpointConfig, self),
        }


class SnnArgs(JudgedOnSplit, LabelArgs, ControllerArgs):
    """Holds the args of ``lamquant_snn``."""

    device: Device = like(
        JointCheckpointConfig, "device", description="changes nothing: the controller is trained on the CPU"
    )


def _configure(args: SnnArgs) -> Mapping[str, StageConfig]:
    refuse_what_the_gate_would(args, registry_path(args.registry, SHIPPED_SNN_REGISTRY), "snn")
    args.refuse_gpu()
    return {
        **args.label_configs(),
        **args.controller_configs(),
        "snn_floors": config_from(FloorRegistryConfig, args),
        "snn_verdict": config_from(PccpVerdictConfig, args),
        "promoted_snn": config_from(PromotedCodecConfig, args, alias=args.promote_as),
    }


SNN = Recipe(
    name="lamquant_snn",
    category="train",
    description="Train what tells seizures as they come, judge its decisions on unseen patients, promote it.",
    args=SnnArgs,
    assets=[
        *(recordings, lma_corpus, split_request, split_manifest, annotation_files, annotations),
        *(activity_labels, mae_checkpoint, snn_checkpoint, snn_floors, snn_verdict, promoted_snn),
    ],
    output=SnnVerdict,
    configure=_configure,
    input_kinds=[Recordings.kind],
    metric=Metric(snn_verdict, "auc", "highest", only_if="passed", within=MEASURED_ON),
    annotated=newly_annotated,
    demo="args_demo_snn",
)
