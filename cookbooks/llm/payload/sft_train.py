"""Trains by supervised fine-tuning: ``base_model`` and ``split`` to an adapter or new weights, by TRL."""

from typing import TYPE_CHECKING, Any

from blut_resources.payload_kit.config import read_config
from blut_resources.payload_kit.session import PayloadSession, payload_session, rank
from cookbooks.llm.training_loop.process import prepared
from cookbooks.llm.training_loop.settings import TrainingSettings

if TYPE_CHECKING:
    from trl.trainer.sft_trainer import SFTTrainer

    from cookbooks.llm.training_loop.examples import Examples
    from cookbooks.llm.training_loop.job import Job


def sft_trainer(
    job: "Job[Any]", examples: "Examples", model: Any, cls: Any = None, **more: Any
) -> "SFTTrainer":
    """Returns TRL's trainer over examples whose ids and labels are already fixed."""
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from cookbooks.llm.training_loop.models import adapter

    # max_length None and no packing: with ids and labels given, TRL changes neither
    arguments = SFTConfig(**job.arguments(max_length=None, packing=False))
    return (cls or SFTTrainer)(
        model=model,
        args=arguments,
        train_dataset=examples.dataset(),
        processing_class=job.tokenizer,
        peft_config=adapter(job.settings),
        **more,
    )


def train(session: PayloadSession) -> dict[str, Any]:
    """Train and export; the facts of the checkpoint."""
    from cookbooks.llm.training_loop.examples import read_examples
    from cookbooks.llm.training_loop.export import configs_of, export
    from cookbooks.llm.training_loop.job import Job
    from cookbooks.llm.training_loop.models import load_model
    from cookbooks.llm.training_loop.score import held_out

    job = Job(session, "sft", TrainingSettings)
    examples = read_examples(job.tokenizer, job.inputs.split, job.settings.seq_len)
    job.refuse_too_much(examples)
    model = load_model(job.base, job.settings.method, job.placement)
    configs = configs_of(model)
    trainer = sft_trainer(job, examples, model)
    fitted = job.fit(trainer, examples, lambda: held_out(trainer, examples.held))
    if not job.ranks.first:
        return {}
    return {**export(job, trainer, configs, examples, fitted), **job.measured(fitted)}


def main() -> None:
    """Train as the frozen JSON says."""
    with payload_session() as session:
        settings = read_config(session, TrainingSettings)
        with prepared(settings.threads, settings.device):
            facts = train(session)
        if not rank():
            session.done(**facts)


if __name__ == "__main__":
    main()
