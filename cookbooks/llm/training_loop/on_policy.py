"""Trains on-policy: the student writes, the teacher says what it would have written there."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from accelerate.utils import is_peft_model
from datasets import Dataset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl.trainer.distillation_config import DistillationConfig
from trl.trainer.distillation_trainer import DistillationTrainer
from trl.trainer.utils import add_fused_lm_head

from cookbooks.llm.training_loop.models import adapter, load_frozen
from cookbooks.llm.training_loop.process import Refused, say
from cookbooks.llm.training_loop.teacher_answers import prompt_of

if TYPE_CHECKING:
    from cookbooks.llm.training_loop.examples import Examples
    from cookbooks.llm.training_loop.job import Job


class OnPolicy(DistillationTrainer):
    """Makes the order of prompts hang on the epoch,
    not on the epochs this process has seen, as TRL's own does.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sampler: Any = None
        self.add_callback(_Order(self))

    def _get_train_sampler(self, *args: Any, **kwargs: Any) -> Any:
        self.sampler = super()._get_train_sampler(*args, **kwargs)
        return self.sampler


class _Order(TrainerCallback):
    def __init__(self, trainer: OnPolicy) -> None:
        self._trainer = trainer

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._trainer.sampler.generator.manual_seed(args.seed + int(state.epoch or 0))


def on_policy_trainer(job: "Job", examples: "Examples", model: Any, teacher: Path) -> OnPolicy:
    """Returns the trainer over the prompts of the examples; their answers are not used.

    Raises:
        Refused: there are fewer prompts than an update takes.
    """
    config = job.config
    _refuse_few(len(examples.texts), config["batch_size"], config["grad_accum"])
    arguments = DistillationConfig(
        **job.arguments(remove_unused_columns=False),
        max_completion_length=config["max_new_tokens"],
        temperature=config["temperature"],
        beta=REVERSE_KL,
    )
    trainer = OnPolicy(
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


REVERSE_KL = 1.0


def _refuse_few(prompts: int, batch_size: int, grad_accum: int) -> None:
    if prompts < batch_size * grad_accum:
        raise Refused(
            f"on_policy: {prompts} prompts do not fill one update of batch_size {batch_size} x grad_accum"
            f" {grad_accum}: lower grad_accum, or bring more examples"
        )
    if left := prompts % (batch_size * grad_accum):
        say(f"on_policy: {left} prompts of each epoch, other ones each time, do not fill an update")
