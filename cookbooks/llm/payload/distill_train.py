"""Trains by distillation: ``base_model`` (the student), ``teacher_model`` and ``split`` to a checkpoint.

Method ``distillation``: ``sequence`` (the teacher answers the prompts, then SFT on its answers), ``logit``
(the examples' own answers, with the teacher's distribution over them), ``on_policy`` (the student answers and
the teacher corrects its distribution, by TRL's DistillationTrainer).
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_resources.payload_kit.config import read_config
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import PayloadSession, payload_session, rank
from cookbooks.llm.payload.sft_train import sft_trainer
from cookbooks.llm.training_loop.process import prepared
from cookbooks.llm.training_loop.settings import DistillSettings

if TYPE_CHECKING:
    from cookbooks.llm.training_loop.examples import Examples
    from cookbooks.llm.training_loop.job import Job


def sequence(job: "Job[DistillSettings]", split: Path, teacher: Path) -> dict[str, Any]:
    """Train by SFT on what the teacher answers; the held-out side keeps the examples' own answers."""
    from cookbooks.llm.training_loop.examples import SIDES, examples_of, rows
    from cookbooks.llm.training_loop.models import load_frozen, load_tokenizer
    from cookbooks.llm.training_loop.teacher_answers import ANSWERS, Writing, Written, answered, write_answers

    settings = job.settings
    sides = {side: list(rows(split / f"{side}.jsonl")) for side in SIDES}
    how = Writing(
        settings.max_new_tokens, settings.teacher_temperature, settings.teacher_batch_size, settings.seed
    )
    written: list[Written] = []
    if job.ranks.first:
        model = load_frozen(teacher, job.placement).to(job.placement.device)  # type: ignore[arg-type]
        asked = [row for _, row in sides["train"]]
        written = write_answers(model, load_tokenizer(teacher), asked, how, job.session.work / ANSWERS)
        del model
    written = job.ranks.agreed(written)
    sides["train"], dropped = answered(sides["train"], written)
    examples = examples_of(job.tokenizer, sides, settings.seq_len)
    return _fit(
        job, examples, {}, lambda model: sft_trainer(job, examples, model), {"dropped": dict(dropped)}
    )


def logit(job: "Job[DistillSettings]", split: Path, teacher: Path) -> dict[str, Any]:
    """Train by SFT on the examples, drawn to the teacher's distribution over their answers."""
    from cookbooks.llm.training_loop.examples import read_examples
    from cookbooks.llm.training_loop.models import load_frozen, load_tokenizer
    from cookbooks.llm.training_loop.token_maps import refuse_other_tokens

    n_tokens = refuse_other_tokens(job.tokenizer, load_tokenizer(teacher))
    examples = read_examples(job.tokenizer, split, job.settings.seq_len)

    def trainer(model: Any) -> Any:
        from cookbooks.llm.training_loop.logit_distillation import LogitDistillation

        return sft_trainer(
            job,
            examples,
            model,
            LogitDistillation,
            teacher=load_frozen(teacher, job.placement),
            n_tokens=n_tokens,
            kl_weight=job.settings.kl_weight,
            temperature=job.settings.temperature,
        )

    return _fit(job, examples, _teacher_bytes(job, examples, teacher), trainer, {}, whole=True)


def on_policy(job: "Job[DistillSettings]", split: Path, teacher: Path) -> dict[str, Any]:
    """Let the student answer the prompts and the teacher correct it."""
    from cookbooks.llm.training_loop.examples import read_examples
    from cookbooks.llm.training_loop.models import load_tokenizer
    from cookbooks.llm.training_loop.on_policy import on_policy_trainer
    from cookbooks.llm.training_loop.token_maps import refuse_other_tokens

    refuse_other_tokens(job.tokenizer, load_tokenizer(teacher))
    examples = read_examples(job.tokenizer, split, job.settings.seq_len)

    def trainer(model: Any) -> Any:
        return on_policy_trainer(job, examples, model, teacher)

    return _fit(job, examples, _teacher_bytes(job, examples, teacher), trainer, {})


METHODS: dict[str, Callable[["Job[DistillSettings]", Path, Path], dict[str, Any]]] = {
    "sequence": sequence,
    "logit": logit,
    "on_policy": on_policy,
}


def _teacher_bytes(job: "Job[DistillSettings]", examples: "Examples", teacher: Path) -> dict[str, int]:
    from cookbooks.llm.training_loop.device import BYTES
    from cookbooks.llm.training_loop.memory import Load, Shapes, inference_bytes

    load = Load(job.settings.batch_size, examples.longest)
    return {"teacher": inference_bytes(Shapes.of(teacher), load, BYTES[job.placement.dtype])}


def _fit(
    job: "Job[DistillSettings]",
    examples: "Examples",
    extra: dict[str, int],
    trainer_of: Callable[[Any], Any],
    more: dict[str, Any],
    *,
    whole: bool = False,
) -> dict[str, Any]:
    """Check the memory, load the student, train, export."""
    from cookbooks.llm.training_loop.export import configs_of, export
    from cookbooks.llm.training_loop.models import load_model
    from cookbooks.llm.training_loop.score import held_out

    positions = max(sum(label != -100 for label in one["labels"]) for one in examples.train)
    learned = positions * job.settings.batch_size if whole else 0
    job.refuse_too_much(examples, learned=learned, extra=extra)
    model = load_model(job.base, job.settings.method, job.placement)
    configs = configs_of(model)
    trainer = trainer_of(model)
    fitted = job.fit(trainer, examples, lambda: held_out(trainer, examples.held))
    if not job.ranks.first:
        return {}
    facts = export(job, trainer, configs, examples, fitted, **more)
    return {**facts, **job.measured(fitted), **({"n_answers": len(examples.train)} | more)}


def train(session: PayloadSession) -> dict[str, Any]:
    """Train and export; the facts of the checkpoint."""
    from cookbooks.llm.training_loop.job import Job

    how = read_config(session, DistillSettings).distillation
    job = Job(session, f"distill_{how}", DistillSettings, writes=how == "on_policy")
    if job.inputs.teacher_model is None:
        raise Refused("input teacher_model: missing; give a model directory to learn from")
    return METHODS[how](job, job.inputs.split, job.inputs.teacher_model)


def main() -> None:
    """Train as the frozen JSON says."""
    with payload_session() as session:
        settings = read_config(session, DistillSettings)
        with prepared(settings.threads, settings.device):
            facts = train(session)
        if not rank():
            session.done(**facts)


if __name__ == "__main__":
    main()
