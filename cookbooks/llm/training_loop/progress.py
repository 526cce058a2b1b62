"""Tells how a training goes while it runs, and makes it stop."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from blut_resources.payload_kit.ending import Ending
from blut_resources.payload_kit.ranks import ALONE, Ranks
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.session import Diverged, PayloadSession
from cookbooks.llm.training_loop.resume import Making, prune, seal

EPOCH = "epoch_metrics"
STREAMED = ("loss", "learning_rate", "grad_norm", "mean_token_accuracy")
POINTS = 20
"""Points of the curve of a training between its epochs, about: epochs are few, and may take hours."""

AVERAGED = ("loss", "grad_norm", "mean_token_accuracy", "kl", "cross_entropy")


def metric_name(name: str) -> str:
    """Returns a name for the UI: ``rewards/margins`` becomes ``rewards_margins``."""
    return name.replace("/", "_")


class TrainingProgress(TrainerCallback):
    """Streams a training to its session, seals its checkpoints, and stops it where going on has no sense.

    The metrics of finished epochs live in the trainer's own log history, so a resumed training has them too.
    """

    def __init__(
        self,
        session: PayloadSession,
        making: Making,
        evaluate: Callable[[], Mapping[str, float]],
        ending: Ending,
        *,
        loss_may_overflow: bool = False,
        eval_steps: int | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        """Prepare.

        Args:
            ending: whether the process is asked to end: it saves a checkpoint first.
            evaluate: the metrics on the held-out side, of the model as it is.
            eval_steps: evaluate so often within an epoch too.
            loss_may_overflow: float16 scales its gradients, and skips steps whose scale was too large.
        """
        self._session, self._making, self._evaluate = session, making, evaluate
        self._overflow, self._eval_steps = loss_may_overflow, eval_steps
        self._ending, self._ranks, self._compared = ending, ranks, False

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Complete an epoch whose metrics are missing: a checkpoint of its last step may be older."""
        say(f"training: {state.max_steps - state.global_step} of {state.max_steps} steps are to be done")
        whole = state.epoch is not None and state.epoch > 0 and float(state.epoch).is_integer()
        if whole and not any(entry["epoch"] == state.epoch for entry in epochs_of(state.log_history)):
            self._finish_epoch(state)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        """Report every step to the session, or end it all."""
        if not logs or "loss" not in logs:
            return
        self._refuse_not_finite(state.global_step, logs, args.learning_rate)
        values = {name: float(logs[name]) for name in STREAMED if name in logs}
        self._session.step(state.global_step, of=state.max_steps, **values)
        if not float(state.epoch or 0).is_integer():
            self._point(state)

    def _refuse_not_finite(self, step: int, logs: Mapping[str, Any], lr: float) -> None:
        for name in ("loss",) if self._overflow else ("loss", "grad_norm"):
            if name in logs and not math.isfinite(float(logs[name])):
                raise Diverged(
                    f"step {step}: {name} is {float(logs[name])}: the weights are lost from here on, nothing"
                    f" of this training is kept. Lower lr={lr:g}, give a warm-up, or look at the examples"
                )

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **_: Any,
    ) -> None:
        """Keep a checkpoint first when asked to end."""
        if not self._compared:
            self._compared = True
            self._refuse_apart(model)
        if self._asked():
            control.should_save = control.should_training_stop = True

    def _refuse_apart(self, model: Any) -> None:
        """Stop where the ranks do not train the same model: what came out would be that of a part of a batch.

        Raises:
            RuntimeError: their weights differ.
        """
        if self._ranks.count == 1:
            return
        mine = sum(float(p.detach().double().sum()) for p in model.parameters() if p.requires_grad)
        if self._ranks.any(mine != self._ranks.agreed(mine)):
            raise RuntimeError(
                f"the weights of the {self._ranks.count} ranks have drifted apart: their gradients were not"
                " averaged. That is an error of this version: train with one"
            )

    def _asked(self) -> bool:
        """Says whether any rank was asked to end, so that all do after the same step."""
        if not self._ranks.any(self._ending.asked):
            return False  # it may be asked just now: the next step will see that
        self._ending.asked = True
        return True

    def _point(self, state: TrainerState) -> None:
        """Report a point of the curves inside an epoch."""
        step, every = state.global_step, math.ceil(state.max_steps / POINTS)
        metrics: dict[str, Any] = {}
        if step % every == 0:
            last = [e for e in state.log_history if "loss" in e and step - every < e["step"] <= step]
            metrics["loss"] = sum(float(e["loss"]) for e in last) / len(last)
        # after the last step the epoch ends, and is evaluated then
        if self._eval_steps and step % self._eval_steps == 0 and step < state.max_steps:
            metrics |= {metric_name(name): value for name, value in self._evaluate().items()}
        if metrics:
            part: Any = round(float(state.epoch or 0), 4)
            self._session.epoch(part, step=step, **metrics)

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Report the metrics of the epoch, before its checkpoint is written."""
        if self._asked():
            control.should_save = False
        else:
            self._finish_epoch(state)

    def _finish_epoch(self, state: TrainerState) -> None:
        number = math.ceil(state.epoch or 0)
        steps = [e for e in state.log_history if "loss" in e and number - 1 < e["epoch"] <= number]
        metrics: dict[str, Any] = {
            metric_name(name): sum(float(e[name]) for e in steps) / len(steps) for name in _averaged(steps)
        }
        if steps:
            metrics["learning_rate"] = float(steps[-1]["learning_rate"])
        metrics |= {metric_name(name): value for name, value in self._evaluate().items()}
        bad = [name for name, value in metrics.items() if not math.isfinite(value)]
        if bad and not self._overflow:
            raise Diverged(f"epoch {number}: {bad[0]} is {metrics[bad[0]]}: nothing of this training is kept")
        record: Any = {"epoch": state.epoch, "step": state.global_step, EPOCH: metrics}
        state.log_history.append(record)
        self._session.epoch(number, step=state.global_step, **metrics)

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **_: Any,
    ) -> None:
        """Seal the checkpoint that the trainer has written, then drop older ones."""
        checkpoint = Path(args.output_dir or "", f"checkpoint-{state.global_step}")
        self._refuse_apart(model)  # and each has written its random state by then
        if not self._ranks.first:
            return
        seal(checkpoint, self._making)
        prune(checkpoint.parent, self._making, checkpoint)
        self._session.checkpoint(math.ceil(state.epoch or 0), checkpoint)


def _averaged(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    first = steps[0] if steps else {}
    return [name for name in first if name in AVERAGED or name.startswith("rewards/")]


def epochs_of(history: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the metrics of each finished epoch: ``epoch``, ``step`` and what was measured."""
    return [
        {"epoch": entry["epoch"], "step": entry["step"], **entry[EPOCH]}
        for entry in history
        if EPOCH in entry
    ]


def curve_of(history: Sequence[Mapping[str, Any]], most: int = 1000) -> list[dict[str, float]]:
    """Returns loss, rate and gradient by step; of a long training every so many steps."""
    steps = [entry for entry in history if "loss" in entry]
    every = max(1, math.ceil(len(steps) / most))
    return [
        {"step": entry["step"], **{name: float(entry[name]) for name in STREAMED if name in entry}}
        for entry in steps[::every]
    ]
