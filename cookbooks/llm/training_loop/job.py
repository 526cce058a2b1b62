"""Runs one training from its frozen JSON to its checkpoint: what SFT, DPO and distillation have in common."""

import contextlib
import importlib.metadata
import math
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from blut_resources.machine.memory import size_text
from blut_resources.payload_kit.config import read_config, read_inputs
from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.ranks import Ranks, ours, shares_of_update
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.seed import seed_everything
from blut_resources.payload_kit.session import PayloadSession
from cookbooks.llm.training_loop import memory
from cookbooks.llm.training_loop.arguments import training_arguments
from cookbooks.llm.training_loop.device import BYTES, Placement, place
from cookbooks.llm.training_loop.examples import Examples
from cookbooks.llm.training_loop.memory import Load, MemoryEstimate, Shapes
from cookbooks.llm.training_loop.models import (
    load_tokenizer,
    n_trainable,
    refuse_unready,
    supports_sdpa,
    weights_bytes,
)
from cookbooks.llm.training_loop.process import Clock, load_libraries
from cookbooks.llm.training_loop.resume import newest_complete
from cookbooks.llm.training_loop.sample_chat import SampleChat
from cookbooks.llm.training_loop.settings import TrainingInputs, TrainingSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer
    from transformers import Trainer

S = TypeVar("S", bound=TrainingSettings)
HOW = ("resume", "save_steps", "memory_limit_bytes", "prompts")
"""Settings that change nothing about the result, so a training may be resumed with others."""

GOES_ON = "the next attempt goes on from there"
LIBRARIES = ("torch", "transformers", "trl", "peft")


@dataclass
class Fitted:
    """Holds what came out of a training: metrics by epoch, and the log of its steps."""

    before: Mapping[str, float]
    epochs: list[dict[str, Any]]
    history: list[dict[str, Any]]
    steps: int
    n_epochs: float
    resumed_from: int = 0
    samples: list[dict[str, str]] = field(default_factory=list)


@dataclass
class Job(Generic[S]):
    """Holds a training: its settings, its base model, and where it runs.

    Attributes:
        shape: the class of its settings.
    """

    session: PayloadSession
    kind: str
    shape: type[S]
    writes: bool = False
    """True if the model is trained on what it writes itself."""
    estimate: MemoryEstimate | None = None
    clock: Clock = field(default_factory=Clock)
    ranks: Ranks = field(default_factory=ours)

    def __post_init__(self) -> None:
        self.settings: S = read_config(self.session, self.shape)
        self.inputs: TrainingInputs = read_inputs(self.session, TrainingInputs)
        refuse_unready(self.settings, self.base)
        self.placement: Placement = place(self.settings, supports_sdpa(self.base))
        seed_everything(self.settings.seed)
        say(self.placement.describe())

    @property
    def base(self) -> Path:
        """Returns the directory of the model that is trained."""
        return self.inputs.base_model

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """Returns the tokenizer of the base."""
        return load_tokenizer(self.base)

    def arguments(self, **more: Any) -> dict[str, Any]:
        """Returns keyword arguments for one of TRL's config classes."""
        common = training_arguments(self.settings, self.placement, self.session.work, self.ranks.count)
        return {**common, **more}

    def refuse_too_much(
        self,
        examples: Examples,
        *,
        sequences: int = 1,
        learned: int = 0,
        extra: Mapping[str, int] | None = None,
    ) -> None:
        """Estimate the peak, say it, and stop if it does not fit.

        Args:
            sequences: that go through the model for one example.
            learned: positions whose whole distribution is held.
            extra: other models and their work, by name.

        Raises:
            Refused: with the arithmetic.
        """
        load_libraries()
        batch_size, _ = shares_of_update(self.settings.batch_size, self.settings.grad_accum, self.ranks.count)
        load = Load(sequences * batch_size, examples.longest, learned)
        cuda = self.placement.device == "cuda"
        shapes = Shapes.of(self.base)
        self.estimate = memory.estimate(
            shapes,
            self.settings,
            load,
            weights=weights_bytes(shapes, self.settings.method, self.placement),
            width=BYTES[self.placement.dtype],
            baseline=0 if cuda else memory.resident() + memory.TRAINER,
            attention=self.placement.attention,
            extra=extra,
        )
        say(f"memory: {self.estimate.describe()}")
        limit, ranks = self.settings.memory_limit_bytes, self.ranks.count
        memory.refuse_too_much(self.estimate, limit, self.placement.device, ranks)

    def making(self, examples: Examples) -> dict[str, Any]:
        """Returns what another attempt must share to go on from this one's checkpoints."""
        kept = {name: value for name, value in self.session.config.items() if name not in HOW}
        versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
        where: dict[str, Any] = {"device": self.placement.device, "dtype": self.placement.dtype}
        where |= {"ranks": self.ranks.count} if self.ranks.count > 1 else {}
        return {**kept, **where, **versions, "kind": self.kind, "examples": examples.fingerprint}

    def fit(
        self, trainer: "Trainer", examples: Examples, evaluate: Callable[[], Mapping[str, float]]
    ) -> Fitted:
        """Train to the end, from the newest checkpoint that is exactly this training's.

        Raises:
            Refused: the base is damaged, or the GPU is full.
            Diverged: the loss went wrong.
            SystemExit: the process was asked to end; a checkpoint is kept.
        """
        from transformers import PrinterCallback

        from cookbooks.llm.training_loop.progress import TrainingProgress, epochs_of, metric_name

        making, ending = self.making(examples), Ending()
        progress = TrainingProgress(
            self.session,
            making,
            evaluate,
            ending,
            loss_may_overflow=self.placement.dtype == "float16",
            eval_steps=self.settings.eval_steps,
            ranks=self.ranks,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(progress)
        before = evaluate()
        for name, value in before.items():
            if not math.isfinite(value):
                raise Refused(f"base_model: its {name} is {value} before any training: it is damaged")
        found = self._resumable(making, trainer)
        chat = SampleChat(self.tokenizer, self.inputs.split / "eval.jsonl", self.settings.prompts)
        if self.ranks.first:
            chat.ask(trainer, "before")
        if self.ranks.count > 1:
            # a model that was evaluated counts as prepared, and would not be wrapped for the ranks any more
            trainer.accelerator.free_memory()
            vars(trainer.model).pop("_is_accelerate_prepared", None)
            # what each leaves out at random is its own; a resumed training has it from its checkpoint
            seed_everything(self.settings.seed + self.ranks.number)
        if before and not found:
            # where the curve of the held-out side begins
            start: dict[str, Any] = {metric_name(name): value for name, value in before.items()}
            self.session.epoch(0, step=0, **start)
        with ending.heard(), ending.finishing(), self._room():
            trainer.train(resume_from_checkpoint=str(found) if found else None)
            ending.message = f"terminated at step {trainer.state.global_step}; {GOES_ON}"
        if self.ranks.first:
            chat.ask(trainer, "after")
        history = trainer.state.log_history
        steps, epochs = trainer.state.global_step, float(trainer.state.epoch or 0)
        resumed_from = int(found.name.removeprefix("checkpoint-")) if found else 0
        return Fitted(before, epochs_of(history), history, steps, epochs, resumed_from, chat.samples)

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        """Say which setting to change when a GPU is full."""
        import torch

        try:
            yield
        except torch.OutOfMemoryError as error:
            expected = self.estimate.describe() if self.estimate else "nothing"
            raise Refused(
                f"the GPU is full: {error}. Expected was {expected}. Lower batch_size, or set"
                " gradient_checkpointing"
            ) from error

    def _resumable(self, making: Mapping[str, Any], trainer: "Trainer") -> Path | None:
        if self.settings.resume == "never":
            return None
        batches, most = len(trainer.get_train_dataloader()), self.settings.max_steps
        per_epoch = math.ceil(batches / trainer.args.gradient_accumulation_steps)

        def usable(step: int) -> bool:
            # transformers would train one step more from a checkpoint at the last one inside an epoch
            return not most or step < most or step % per_epoch == 0

        try:
            found = newest_complete(self.session.work, making, say, usable)
        except OSError as error:
            raise Refused(
                f"{error.filename or self.session.work}: the checkpoint to resume from cannot be read now"
                f" ({error.strerror}): run the command again when that has passed, or with resume never"
            ) from error
        if found:
            say(f"resume: going on from {found.name}")
        return found

    def measured(self, fitted: Fitted) -> dict[str, Any]:
        """Returns time, memory and a sample chat: facts about this attempt, not about the bytes."""
        peak = memory.peak()
        if self.placement.device == "cuda":
            import torch

            peak = torch.cuda.max_memory_allocated()
        assert self.estimate is not None
        say(f"memory: the peak was {size_text(peak)}, {size_text(self.estimate.peak)} were estimated")
        return {
            "peak_bytes": peak,
            "estimated_bytes": self.estimate.peak,
            "seconds": round(self.clock.seconds, 2),
            "cpu_seconds": round(self.clock.cpu_seconds, 2),
            "machine": platform.machine(),
            "device_name": self.placement.name,
            "samples": fitted.samples,
            **({"resumed_from_step": fitted.resumed_from} if fitted.resumed_from else {}),
        }

    def result(self, trainer: "Trainer", examples: Examples, fitted: Fitted) -> dict[str, Any]:
        """Returns facts about the checkpoint that hold wherever and whenever it was trained."""
        last = fitted.epochs[-1]
        return {
            "method": self.settings.method,
            "n_trainable": n_trainable(trainer.model),
            "steps": fitted.steps,
            "epochs": fitted.n_epochs,
            "train_loss": last["loss"],
            "eval_loss": last.get("eval_loss"),
            "eval_loss_before": fitted.before.get("eval_loss"),
            **({} if self.writes else {"n_seen_tokens": round(examples.n_tokens * fitted.n_epochs)}),
            **self.placement.facts(),
        }
