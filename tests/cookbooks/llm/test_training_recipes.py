"""The recipes that train: their forms, and what each field reaches."""

from typing import Any

import pytest

from blut_assets.recipes import ArgsError, Recipe
from blut_resources.payload_kit.config import read
from cookbooks.llm.configs.training import (
    DistilledCheckpointConfig,
    DpoCheckpointConfig,
    SftCheckpointConfig,
    TrainingConfig,
    learning_rate,
)
from cookbooks.llm.recipes import training as recipes
from cookbooks.llm.training_loop.settings import DistillSettings, DpoSettings, TrainingSettings

REQUIRED: dict[str, tuple[Recipe, dict[str, Any]]] = {
    "finetune_from_dataset": (recipes.FINETUNE, {"dataset_path": "/rows.jsonl"}),
    "finetune_from_conversations": (recipes.FINETUNE_CONVERSATIONS, {"conversations_path": "/turns.db"}),
    "hf_finetune_from_dataset": (recipes.HF_FINETUNE, {"dataset_path": "/rows.jsonl"}),
    "dpo_from_preferences": (recipes.DPO, {"preferences_path": "/pairs.jsonl"}),
    "distill_from_teacher": (
        recipes.DISTILL,
        {"dataset_path": "/rows.jsonl", "teacher_path": "/big", "student_base": "/small"},
    ),
}


def configs(name: str, **args: Any) -> dict[str, Any]:
    """Config by asset name."""
    recipe, needed = REQUIRED[name]
    parsed = recipe.parse({"output_name": "mine", **needed, **args})
    recipe.run_config(parsed)
    return {key.path[-1]: config for key, config in recipe.configs(parsed).items()}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_form_asks_for_what_it_needs_and_is_a_job(name: str) -> None:
    recipe, needed = REQUIRED[name]
    assert recipe.name == name
    template = recipe.template()
    registers = name != "hf_finetune_from_dataset"
    asked = {"output_name", *needed} if registers else {*needed}
    assert {k for k, v in template.items() if v == "<required>"} == asked
    assert {*list(template)[: len(asked)]} == asked, "they come first"
    missing = next(iter(asked - {*needed} or asked))
    with pytest.raises(ArgsError, match=f"required argument '{missing}' is missing"):
        recipe.parse({k: v for k, v in needed.items() if k != missing})
    assert recipe.job().name == name


@pytest.mark.parametrize("name", REQUIRED)
def test_one_seed_and_one_length_reach_every_asset(name: str) -> None:
    found = configs(name, seed=5, seq_len=99, threads=2)
    assert {c.seed for n, c in found.items() if n.endswith(("_split", "_checkpoint"))} == {5}
    assert {c.seq_len for n, c in found.items() if n.endswith(("_dataset", "_checkpoint"))} == {99}
    assert {c.threads for n, c in found.items() if hasattr(c, "threads")} == {2}


@pytest.mark.parametrize("name", sorted(REQUIRED.keys() - {"hf_finetune_from_dataset"}))
def test_the_tail_makes_the_gguf_that_was_asked_for(name: str) -> None:
    found = configs(
        name,
        quant="Q4_K_M",
        answers=5,
        judge_url="http://localhost/v1",
        judge_model="j",
        promote_as="mine@next",
    )
    (quantised,) = [c for n, c in found.items() if n.endswith("_gguf")]
    (merged,) = [c for n, c in found.items() if n.endswith("_merged")]
    (judged,) = [c for n, c in found.items() if n.endswith("_evaluation")]
    assert (quantised.quant, merged.name, judged.answers) == ("Q4_K_M", "mine", 5)
    assert (judged.judge_url, judged.judge_model) == ("http://localhost/v1", "j")
    assert found["gguf_preflight"].check == "gguf"
    (registered,) = [c for n, c in found.items() if n.endswith("_registered")]
    assert (registered.name, registered.alias) == ("mine", "mine@next")


def test_other_prompts_are_answered_anew_and_train_nothing() -> None:
    before, after = (configs("finetune_from_dataset", prompts=[text]) for text in ("Why?", "When?"))
    changed = [name for name in before if before[name].fingerprinted() != after[name].fingerprinted()]
    assert changed == ["sft_evaluation"]
    assert after["sft_checkpoint"].for_payload()["prompts"] == ["When?"], "of a training that is to come"


def test_a_hugging_face_checkpoint_needs_no_gguf() -> None:
    found = configs("hf_finetune_from_dataset", hf_extra={"weight_decay": 0.1})
    assert found["gguf_preflight"].check == "none"
    assert found["sft_checkpoint"].hf_extra == {"weight_decay": 0.1}
    assert not any(name.endswith(("_gguf", "_merged")) for name in found)


def test_conversations_are_filtered_as_the_form_says() -> None:
    found = configs("finetune_from_conversations", since="30d", min_turns=4, on_bad_row="drop")["examples"]
    assert (found.path, found.read_as, found.since, found.min_turns) == (
        "/turns.db",
        "conversations",
        "30d",
        4,
    )
    assert found.on_bad_row == "drop"


def test_a_student_and_its_teacher() -> None:
    found = configs("distill_from_teacher", kl_weight=0.9)
    assert (found["base_model"].model, found["teacher_model"].model) == ("/small", "/big")
    assert found["distilled_checkpoint"].kl_weight == 0.9


def test_every_method_has_a_rate_of_its_own() -> None:
    rates = [learning_rate(SftCheckpointConfig(method=method)) for method in ("full", "lora", "qlora")]
    assert rates == [2e-5, 2e-4, 2e-4]
    assert learning_rate(DistilledCheckpointConfig()) == 1e-4
    assert learning_rate(SftCheckpointConfig(lr=0.5)) == 0.5


REFUSED = {
    "half a judge": ("finetune_from_dataset", {"judge_url": "http://x/v1"}, "judge_model: missing"),
    "puzzles": ("dpo_from_preferences", {"reasoning": ["chain_sum:no"]}, "reasoning: 'chain_sum:no'"),
    "bounds": ("finetune_from_dataset", {"rank": 0}, "argument 'rank' = 0: .* allowed: int >= 1 <= 256"),
    "names": ("finetune_from_dataset", {"output_name": "../x"}, r"argument 'output_name' = '\.\./x'"),
    "alias": (
        "distill_from_teacher",
        {"promote_as": "yours@prod"},
        "promote_as = 'yours@prod': give mine@ALIAS, such as mine@staging",
    ),
    "unknown": ("hf_finetune_from_dataset", {"quant": "Q8_0"}, "unknown argument 'quant' = 'Q8_0'"),
    "loss": (
        "dpo_from_preferences",
        {"loss": "exo_pair"},
        "needs label_smoothing > 0, which is 0.0: set 0.001",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_makes_no_sense_is_refused_in_the_form(what: str) -> None:
    name, args, words = REFUSED[what]
    with pytest.raises(ArgsError, match=words):
        configs(name, **args)


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (SftCheckpointConfig(), TrainingSettings),
        (DpoCheckpointConfig(), DpoSettings),
        (DistilledCheckpointConfig(), DistillSettings),
    ],
)
def test_a_payload_reads_every_field_of_its_config(config: TrainingConfig, settings: type) -> None:
    """A field that the payload does not know would be refused as a misspelt one."""
    given = {**config.for_payload(), "lr": learning_rate(config), "digests": {}, "memory_limit_bytes": None}
    assert vars(read(given, settings)) == given
