"""Trains by supervised fine-tuning: ``base_model`` and ``split`` to an adapter or new weights, by TRL.

Config: the fields of `cookbooks.llm.configs.training.SftCheckpointConfig`, ``digests`` (of the base
model) and ``memory_limit_bytes``.
"""

from typing import TYPE_CHECKING, Any

from blut_resources.payload_kit.session import PayloadSession, payload_session
from cookbooks.llm.chat.template import MaskError
from cookbooks.llm.hf_dir import ModelDirError
from cookbooks.llm.training_loop.process import explained, prepare_process

if TYPE_CHECKING:
    from trl.trainer.sft_trainer import SFTTrainer

    from cookbooks.llm.training_loop.examples import Examples
    from cookbooks.llm.training_loop.job import Job


def sft_trainer(job: "Job", examples: "Examples", model: Any, cls: Any = None, **more: Any) -> "SFTTrainer":
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
        peft_config=adapter(job.config),
        **more,
    )


def train(session: PayloadSession) -> dict[str, Any]:
    """Train and export; the facts of the checkpoint."""
    from cookbooks.llm.training_loop.examples import read_examples
    from cookbooks.llm.training_loop.export import configs_of, export
    from cookbooks.llm.training_loop.job import Job
    from cookbooks.llm.training_loop.models import load_model
    from cookbooks.llm.training_loop.score import held_out

    job = Job(session, "sft")
    examples = read_examples(job.tokenizer, session.inputs["split"], job.config["seq_len"])
    job.refuse_too_much(examples)
    model = load_model(job.base, job.config["method"], job.placement)
    configs = configs_of(model)
    trainer = sft_trainer(job, examples, model)
    fitted = job.fit(trainer, examples, lambda: held_out(trainer, examples.held))
    return {**export(job, trainer, configs, examples, fitted), **job.measured(fitted)}


def main() -> None:
    """Train as the frozen JSON says."""
    with payload_session() as session, explained(ModelDirError, MaskError):
        prepare_process(session.config)
        session.done(**train(session))


if __name__ == "__main__":
    main()
