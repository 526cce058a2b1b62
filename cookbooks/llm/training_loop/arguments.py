"""Tells every trainer its settings, and says which of transformers' own ones a user may change."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.ranks import shares_of_update
from blut_resources.payload_kit.refuse import Refused
from cookbooks.llm.training_loop.device import Placement
from cookbooks.llm.training_loop.settings import TrainingSettings

EXTRA = (
    *("adam_beta1", "adam_beta2", "adam_epsilon", "optim", "optim_args"),
    *("lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "weight_decay", "max_grad_norm"),
    *("neftune_noise_alpha", "dataloader_drop_last", "tf32"),
)
"""Settings of transformers that change neither what is learned from nor how it is resumed."""


def training_arguments(
    settings: TrainingSettings, placement: Placement, work: Path, ranks: int = 1
) -> dict[str, Any]:
    """Returns keyword arguments for any of TRL's config classes, of one of so many ``ranks``.

    Raises:
        Refused: ``hf_extra`` names a setting that is not to be changed, or ranks cannot take equal shares.
    """
    batch_size, grad_accum = shares_of_update(settings.batch_size, settings.grad_accum, ranks)
    return {
        "output_dir": str(work),
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": batch_size,
        "per_device_eval_batch_size": batch_size,
        "gradient_accumulation_steps": grad_accum,
        "learning_rate": settings.lr,
        "lr_scheduler_type": settings.schedule,
        "warmup_steps": settings.warmup_ratio,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "optim": "adamw_torch",
        "seed": settings.seed,
        "data_seed": settings.seed,
        "bf16": placement.dtype == "bfloat16",
        "fp16": placement.dtype == "float16",
        "use_cpu": placement.device == "cpu",
        # every weight that is trained has a gradient in every step, and no buffer changes
        "ddp_find_unused_parameters": False,
        "ddp_broadcast_buffers": False,
        "dataloader_pin_memory": placement.device == "cuda",
        "gradient_checkpointing": settings.gradient_checkpointing,
        # a mean over several steps would lose what was summed up when the process is killed between them
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "eval_strategy": "no",
        "save_strategy": "steps" if settings.save_steps else "epoch",
        "save_steps": settings.save_steps or 500,
        "save_total_limit": None,
        "report_to": [],
        "disable_tqdm": True,
        "log_level": "error",
        **_extra(settings.hf_extra),
    }


def _extra(values: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        if name not in EXTRA:
            near = difflib.get_close_matches(name, EXTRA, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise Refused(f"hf_extra: {name}={value!r}: {hint}known settings: {', '.join(sorted(EXTRA))}")
    return dict(values)
