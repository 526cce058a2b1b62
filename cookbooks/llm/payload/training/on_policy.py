"""On-policy distillation: the student writes, the teacher says what it would have written there."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cookbooks.llm.payload.training.models import adapter, load_frozen
from cookbooks.llm.payload.training.teacher_answers import prompt_of

if TYPE_CHECKING:
    from cookbooks.llm.payload.training.examples import Examples
    from cookbooks.llm.payload.training.job import Job


def on_policy_trainer(job: "Job", examples: "Examples", model: Any, teacher: Path) -> Any:
    """TRL's trainer over the prompts of the examples; their answers are not used."""
    from accelerate.utils import is_peft_model
    from datasets import Dataset
    from trl.trainer.distillation_config import DistillationConfig
    from trl.trainer.distillation_trainer import DistillationTrainer
    from trl.trainer.utils import add_fused_lm_head

    config = job.config
    arguments = DistillationConfig(
        **job.arguments(remove_unused_columns=False),
        max_completion_length=config["max_new_tokens"],
        temperature=config["temperature"],
        beta=config.get("divergence", 1.0),
    )
    trainer = DistillationTrainer(
        model=model,
        teacher_model=load_frozen(teacher, job.placement),
        args=arguments,
        train_dataset=Dataset.from_list([{"prompt": prompt_of(row)} for row in examples.texts]),
        processing_class=job.tokenizer,
        peft_config=adapter(config),
    )
    # the held-out loss is asked of this layer; training and generation go by the model's own forward
    student: Any = trainer.model
    base = student.get_base_model() if is_peft_model(student) else student
    add_fused_lm_head(base, outputs=("log_probs", "is_top1"))
    return trainer
