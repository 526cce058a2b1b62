"""What a training leaves and tells, and what it refuses before and while it runs."""

import importlib.util
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import Diverged
from cookbooks.llm.artifacts import Checkpoint
from cookbooks.llm.configs.training import SftCheckpointConfig, refuse_senseless
from cookbooks.llm.payload.sft_train import sft_trainer
from cookbooks.llm.training_loop.examples import read_examples
from cookbooks.llm.training_loop.job import Job
from cookbooks.llm.training_loop.memory import Load, Shapes, estimate
from cookbooks.llm.training_loop.models import load_model
from cookbooks.llm.training_loop.settings import TrainingSettings
from tests.cookbooks.llm.gguf_support import made
from tests.cookbooks.llm.training_support import (
    CHATML,
    CONFIG,
    Training,
    contents,
    dialogues,
    split,
    tiny_model,
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    return {"base_model": tiny_model(root / "tiny"), "split": split(root / "split", dialogues(10))}


@pytest.fixture(scope="module")
def lora(
    inputs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Training, dict[str, Any]]:
    training = Training(tmp_path_factory.mktemp("lora"), "sft", inputs)
    return training, training.run()


def test_the_facts_are_those_of_the_artifact(lora: tuple[Training, dict[str, Any]]) -> None:
    facts = lora[1]
    fields = Checkpoint.model_fields.keys() & facts.keys()
    artifact = Checkpoint(base="x", **{name: facts[name] for name in fields})
    assert (artifact.method, artifact.steps, artifact.epochs) == ("lora", 8, 2.0)
    assert artifact.eval_loss is not None and artifact.eval_loss_before is not None
    assert artifact.eval_loss < artifact.eval_loss_before
    assert (artifact.device, artifact.dtype, facts["attention"]) == ("cpu", "float32", "sdpa")
    shapes = {(64, 64): 2, (32, 64): 2, (128, 64): 2, (64, 128): 1}
    assert artifact.n_trainable == 2 * 4 * sum((out + into) * n for (out, into), n in shapes.items())
    assert facts["seconds"] > 0 and facts["peak_bytes"] > 0 and facts["n_seen_tokens"] > 0


def test_epochs_and_steps_are_streamed(lora: tuple[Training, dict[str, Any]]) -> None:
    training = lora[0]
    assert training.steps() == [1, 2, 3, 4, 5, 6, 7, 8]
    wanted = {"loss", "eval_loss", "learning_rate", "grad_norm", "mean_token_accuracy"}
    assert all(wanted <= epoch.keys() for epoch in training.epochs())
    kinds = [event["event"] for event in training.events if event["event"] != "step"]
    assert kinds == [*["epoch"] * 5, "checkpoint", *["epoch"] * 4, "checkpoint"]


def test_the_curves_begin_before_the_first_step_and_have_points_within_an_epoch(
    lora: tuple[Training, dict[str, Any]], inputs: dict[str, Path], tmp_path: Path
) -> None:
    curve = lora[0].curve()
    assert [at for at, _ in curve] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert curve[0][1]["eval_loss"] == lora[1]["eval_loss_before"]
    assert all("loss" in metrics for _, metrics in curve[1:])
    training = Training(tmp_path, "sft", inputs, epochs=1, eval_steps=2)
    training.run()
    assert [at for at, metrics in training.curve() if "eval_loss" in metrics] == [0, 0.5, 1]


def test_the_loss_of_an_untouched_model_is_measured_first(inputs: dict[str, Path], tmp_path: Path) -> None:
    """At a rate of almost nothing the model stays what it was."""
    facts = Training(tmp_path, "sft", inputs, lr=1e-12, epochs=1).run()
    assert facts["eval_loss"] == pytest.approx(facts["eval_loss_before"], rel=1e-6)


def test_the_held_out_loss_does_not_hang_on_batches(inputs: dict[str, Path], tmp_path: Path) -> None:
    losses = [
        Training(tmp_path / str(size), "sft", inputs, lr=1e-12, epochs=1, batch_size=size).run()["eval_loss"]
        for size in (1, 2)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_where_it_runs_is_said_before_it_starts(
    inputs: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Training(tmp_path, "sft", inputs, max_steps=1, attention="eager", dtype="bfloat16").run()
    said = capfd.readouterr().err
    assert "device=cpu" in said and "dtype=bfloat16 attention=eager: as asked for" in said
    assert said.index("device=cpu") < said.index("memory: about") < said.index("training: 1 of 1 steps")


def test_the_defaults_of_trl_are_not_taken(inputs: dict[str, Path], tmp_path: Path) -> None:
    """TRL's own: bfloat16, recomputed activations, cut at 1024 tokens, every tenth step reported."""
    job = Job(Training(tmp_path, "sft", inputs).session(), "sft", TrainingSettings)
    examples = read_examples(job.tokenizer, inputs["split"], 256)
    trainer = sft_trainer(job, examples, load_model(job.base, "lora", job.placement))
    given = trainer.args
    assert (given.bf16, given.fp16, given.gradient_checkpointing) == (False, False, False)
    assert (given.use_cpu, given.dataloader_pin_memory, given.report_to) == (True, False, [])
    assert (given.max_length, given.packing, given.padding_free) == (None, False, False)
    assert (given.logging_steps, given.logging_nan_inf_filter) == (1, False)
    assert trainer.processing_class.chat_template == CHATML, "no template of TRL's in its place"


PROCESS = """
from cookbooks.llm.payload import distill_train, dpo_train, sft_train, weights_merge
from cookbooks.llm.training_loop.process import prepare_process
prepare_process(1)
import os, huggingface_hub.constants, torch
offline = huggingface_hub.constants.HF_HUB_OFFLINE
print(torch.get_num_threads(), os.environ["OMP_WAIT_POLICY"], os.environ["KMP_BLOCKTIME"], offline)
"""


def test_a_training_keeps_to_its_threads_and_asks_no_hub() -> None:
    """Threads that spin while they wait cost five times the CPU seconds on a machine with other work.

    The libraries look at the environment when they are imported, so nothing may import them before.
    """
    found = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["1", "PASSIVE", "0", "True"]


def test_an_adapter_names_no_place(lora: tuple[Training, dict[str, Any]], tmp_path: Path) -> None:
    training = lora[0]
    names = sorted(training.files())
    assert names == ["adapter/adapter_config.json", "adapter/adapter_model.safetensors", "trainer.json"]
    text = b"".join(training.files()[name] for name in names if name.endswith(".json")).decode()
    assert str(training.out.parent) not in text and "/tmp" not in text
    assert json.loads(training.files()["adapter/adapter_config.json"])["base_model_name_or_path"] == "tiny"


def test_the_same_training_elsewhere_gives_the_same_bytes(
    lora: tuple[Training, dict[str, Any]], tmp_path: Path
) -> None:
    training = lora[0]
    moved = {name: shutil.copytree(path, tmp_path / name) for name, path in training.inputs.items()}
    other = Training(tmp_path / "other", "sft", moved)
    other.run()
    assert other.files() == training.files()


def test_whole_weights_come_with_the_stock_tokenizer_and_template(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    training = Training(tmp_path, "sft", inputs, method="full", lr=1e-3, epochs=1)
    facts = training.run()
    base, model = dict(contents(inputs["base_model"])), dict(contents(training.out / "model"))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert model[name] == base[name]
    assert model["chat_template.jinja"].decode() == CHATML and "{% generation" not in CHATML
    config = json.loads(model["config.json"])
    assert config["use_cache"] and config["dtype"] == "float32" and config["pad_token_id"] is None
    assert "license: mit" in model["README.md"].decode()
    loaded = AutoModelForCausalLM.from_pretrained(training.out / "model")
    assert sum(p.numel() for p in loaded.parameters()) == facts["n_trainable"]


def test_a_loss_that_is_no_number_ends_the_training(inputs: dict[str, Path], tmp_path: Path) -> None:
    # without its epsilon, Adam divides 0 by 0 for every weight that has no gradient yet
    training = Training(tmp_path, "sft", inputs, hf_extra={"adam_epsilon": 0.0}, save_steps=1)
    with pytest.raises(Diverged, match=r"step 2: loss is nan: .*Lower lr=0.01"):
        training.run()
    assert not training.files() and not training.is_sealed(2)


def test_a_damaged_base_is_found_before_training(inputs: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    base = shutil.copytree(inputs["base_model"], tmp_path / "base")
    weights = load_file(base / "model.safetensors")
    weights["model.norm.weight"][0] = math.nan
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(Refused, match="base_model: its eval_loss is nan before any training"):
        Training(tmp_path, "sft", {**inputs, "base_model": base}).run()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "cuda": ({"device": "cuda"}, r"device='cuda': no CUDA device is available"),
    "float16": ({"dtype": "float16"}, r"dtype='float16': a CPU cannot train in it"),
    "extra": ({"hf_extra": {"adam_beta": 0.5}}, r"hf_extra: adam_beta=0.5: did you mean 'adam_beta[12]'"),
    "mask": ({"hf_extra": {"max_length": 3}}, r"hf_extra: max_length=3: known settings"),
    "long": ({"seq_len": 20}, r"train.jsonl:1 \(id 0\): \d+ tokens, seq_len is 20: .* Raise seq_len"),
    "memory": (
        {"memory_limit_bytes": 1 << 20},
        r"needs about .* libraries .* the memory limit is 1 MiB\. Lower",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_is_refused_in_words(name: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    config, words = REFUSED[name]
    training = Training(tmp_path, "sft", inputs, **config)
    with pytest.raises(Refused, match=words):
        training.run()
    assert not training.events and not training.files()


def test_qlora_without_its_library_is_refused_at_once(inputs: dict[str, Path], tmp_path: Path) -> None:
    if importlib.util.find_spec("bitsandbytes"):
        facts = Training(tmp_path, "sft", inputs, method="qlora", epochs=1).run()
        assert facts["method"] == "qlora"
    else:
        with pytest.raises(
            Refused, match="method='qlora': the package bitsandbytes is not installed; run `pip"
        ):
            Training(tmp_path, "sft", inputs, method="qlora").run()


def test_an_adapter_is_no_base(inputs: dict[str, Path], tmp_path: Path) -> None:
    base = shutil.copytree(inputs["base_model"], tmp_path / "base")
    (base / "adapter_config.json").write_text("{}")
    with pytest.raises(Refused, match=r"is an adapter, not a model: .* merge the adapter into its base"):
        Training(tmp_path, "sft", {**inputs, "base_model": base}).run()


def test_an_adapter_is_put_where_and_as_it_is_asked_for(inputs: dict[str, Path], tmp_path: Path) -> None:
    """And merged, its model says what the adapted one says."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base, tokens = inputs["base_model"], torch.tensor([[5, 20, 30, 40, 50]])
    kinds: dict[str, dict[str, Any]] = {
        "dora": {"dora": True, "target_modules": ["q_proj", "down_proj"]},
        "rslora": {"rslora": True, "dropout": 0.0},
    }
    for name, options in kinds.items():
        training = Training(tmp_path / name, "sft", inputs, max_steps=2, **options)
        training.run()
        adapter = training.out / "adapter"
        held = load_file(adapter / "adapter_model.safetensors")
        if name == "dora":
            assert {key.split(".")[6] for key in held} == {"q_proj", "down_proj"}
        assert any("magnitude" in key for key in held) == (name == "dora")
        config = json.loads((adapter / "adapter_config.json").read_text())
        assert config[f"use_{name}"] is True
        made("weights_merge", {"name": "m"}, tmp_path / name / "m", base=base, checkpoint=training.out)
        merged: Any = AutoModelForCausalLM.from_pretrained(tmp_path / name / "m")
        adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
        with torch.inference_mode():
            assert torch.allclose(merged(tokens).logits, adapted(tokens).logits, atol=1e-4)
    with pytest.raises(Refused, match="target_modules: 'q_pro' is no layer of this model; there are down_p"):
        Training(tmp_path / "other", "sft", inputs, target_modules=["q_pro"]).run()
    with pytest.raises(ValueError, match=r"dora = True is of an adapter, and method = 'full' has none"):
        refuse_senseless(SftCheckpointConfig(method="full", dora=True))


def test_the_estimate_grows_with_what_costs_memory(inputs: dict[str, Path]) -> None:
    shapes = Shapes.of(inputs["base_model"])
    assert shapes.linear.count((128, 64)) == 4 and len(shapes.linear) == 14
    plain = TrainingSettings(**{**CONFIG, "rank": 8, "dropout": 0.0, "grad_accum": 1})

    def peak(load: Load = Load(1, 64), **config: Any) -> int:  # noqa: B008
        found = estimate(shapes, replace(plain, **config), load, weights=400_000, width=4, baseline=0)
        return found.peak

    assert peak(Load(2, 64)) > peak() and peak(Load(1, 128)) > peak()
    assert peak(method="full") > peak() and peak(rank=64) > peak() and peak(dropout=0.1) > peak()
    assert peak(gradient_checkpointing=True) < peak() < peak(dora=True)


def test_estimate_and_peak_are_recorded_together(lora: tuple[Training, dict[str, Any]]) -> None:
    facts = lora[1]
    assert 0.3 < facts["estimated_bytes"] / facts["peak_bytes"] < 3
