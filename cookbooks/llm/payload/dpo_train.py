"""Trains by direct preference optimisation: ``base_model`` and ``split`` (pairs) to a checkpoint, by TRL.

The base is a whole model, a fine-tuned one merged: it is the reference as well. With an adapter the reference
is the base with the adapter off, else a second copy. Before anything is learned the two must agree.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from blut_resources.payload_kit.config import read_config
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.session import PayloadSession, payload_session, rank
from cookbooks.llm.training_loop.process import prepared
from cookbooks.llm.training_loop.settings import DpoSettings

if TYPE_CHECKING:
    from trl.trainer.dpo_trainer import DPOTrainer

    from cookbooks.llm.training_loop.examples import Examples
    from cookbooks.llm.training_loop.job import Job

TOLERANCE = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.05}
"""How far the first loss may be from ln 2: below float32 the reference is computed in another order."""

KEPT = ("loss", "rewards/accuracies", "rewards/margins")


def dpo_trainer(
    job: "Job[DpoSettings]", examples: "Examples", model: Any, reference: Any = None
) -> "DPOTrainer":
    """Returns TRL's trainer over pairs whose ids are already fixed."""
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    from cookbooks.llm.training_loop.models import adapter

    class PairTrainer(DPOTrainer):
        """TRL would render and cut the pairs again; they come as ids."""

        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    settings = job.settings
    arguments = DPOConfig(
        **job.arguments(max_length=None),
        beta=settings.beta,
        loss_type=[settings.loss],
        label_smoothing=settings.label_smoothing,
    )
    return PairTrainer(
        model=model,
        ref_model=reference,
        args=arguments,
        train_dataset=examples.dataset(),
        processing_class=job.tokenizer,
        peft_config=adapter(settings),
    )


def evaluate(trainer: "DPOTrainer", pairs: Any) -> dict[str, float]:
    """Returns loss, accuracy and margin of the rewards on some pairs, none of none."""
    if not pairs:
        return {}
    found: dict[str, float] = trainer.evaluate(pairs)
    return {f"eval_{name}": float(found[f"eval_{name}"]) for name in KEPT}


def refuse_another_start(first: Mapping[str, float], loss: str, dtype: str) -> None:
    """Refuse a model that is not its own reference at the start: no margin, a usual loss of exactly ln 2.

    Raises:
        Refused: it is not.
    """
    margin, found = first["eval_rewards/margins"], first["eval_loss"]
    say(f"dpo: before the first step the loss is {found:.6f} and the margin {margin:.2g}")
    far = abs(found - math.log(2)) if loss == "sigmoid" else 0.0
    if max(abs(margin), far) > TOLERANCE[dtype]:
        raise Refused(
            f"dpo: before the first step the loss is {found:.6f} where ln 2 = {math.log(2):.6f} is expected,"
            f" and the margin of the rewards {margin:.6f} where 0 is: the model is not its own reference."
            " Start from a merged model without an adapter, and without randomness in its layers"
        )


def train(session: PayloadSession) -> dict[str, Any]:
    """Train and export; the facts of the checkpoint."""
    from cookbooks.llm.training_loop.device import BYTES
    from cookbooks.llm.training_loop.examples import read_pairs
    from cookbooks.llm.training_loop.export import configs_of, export
    from cookbooks.llm.training_loop.job import Job
    from cookbooks.llm.training_loop.memory import Load, Shapes, inference_bytes
    from cookbooks.llm.training_loop.models import load_frozen, load_model

    job = Job(session, "dpo", DpoSettings)
    full = job.settings.method == "full"
    examples = read_pairs(job.tokenizer, job.inputs.split, job.settings.seq_len)
    work = Load(2 * job.settings.batch_size, examples.longest)
    reference = inference_bytes(Shapes.of(job.base), work, BYTES[job.placement.dtype])
    job.refuse_too_much(examples, sequences=2, extra={"reference": reference} if full else None)
    model = load_model(job.base, job.settings.method, job.placement)
    configs = configs_of(model)
    trainer = dpo_trainer(job, examples, model, load_frozen(job.base, job.placement) if full else None)
    pairs, held = examples.dataset(), examples.dataset("eval") if examples.held else None
    first = evaluate(trainer, pairs.select(range(min(len(pairs), job.settings.batch_size))))
    refuse_another_start(first, job.settings.loss, job.placement.dtype)
    fitted = job.fit(trainer, examples, lambda: evaluate(trainer, held))
    if not job.ranks.first:
        return {}
    return {**export(job, trainer, configs, examples, fitted), **job.measured(fitted)}


def main() -> None:
    """Train as the frozen JSON says."""
    with payload_session() as session:
        settings = read_config(session, DpoSettings)
        with prepared(settings.threads, settings.device):
            facts = train(session)
        if not rank():
            session.done(**facts)


if __name__ == "__main__":
    main()
