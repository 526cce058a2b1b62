"""A checkpoint becomes a whole model: the sum in float32, with the base's own tokenizer and template."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, Qwen3NextConfig, Qwen3NextForCausalLM

from blut_resources.payload_kit.refuse import Refused
from cookbooks.llm.models.directory import front_matter, model_facts, model_files
from cookbooks.llm.training_loop.loading import load_whole
from tests.cookbooks.llm.gguf_support import made, refused, small_adapter, small_model

pytestmark = pytest.mark.slow
CONFIG = {"name": "Small Tuned", "threads": 1}
IDS = torch.tensor([[1, 520, 198, 2683, 28, 638, 359, 346]])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = small_model(tmp_path_factory.mktemp("merge") / "base")
    (root / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 0]}))
    return root


@pytest.fixture(scope="module")
def checkpoint(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = small_adapter(base, tmp_path_factory.mktemp("checkpoint") / "c")
    # as a trainer leaves it: another template on its tokenizer
    (found / "adapter" / "chat_template.jinja").write_text("{% generation %}patched{% endgeneration %}")
    return found


@torch.inference_mode()
def logits(model: torch.nn.Module) -> torch.Tensor:
    return model(IDS).logits[0]


def test_the_merged_model_is_base_plus_adapter_and_nothing_else(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    facts = made("weights_merge", CONFIG, tmp_path / "out", base=base, checkpoint=checkpoint)
    assert (facts["name"], facts["dtype"], facts["license"]) == ("Small Tuned", "float32", "mit")
    assert (facts["changed_tensors"], facts["tensors"]) == (14, 20)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), checkpoint / "adapter")
    assert torch.allclose(logits(merged), logits(adapted), atol=1e-4)
    assert not torch.allclose(logits(merged), logits(AutoModelForCausalLM.from_pretrained(base)), atol=0.1)
    for name in ("chat_template.jinja", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        assert (tmp_path / "out" / name).read_bytes() == (base / name).read_bytes()
    card = front_matter(tmp_path / "out")
    assert (card["model_name"], card["license"], card["base_model"]) == ("Small Tuned", "mit", "small")


def test_the_same_merge_gives_the_same_bytes(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        made("weights_merge", CONFIG, tmp_path / name, base=base, checkpoint=checkpoint)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_whole_weights_are_copied_with_the_bases_template(base: Path, tmp_path: Path) -> None:
    trained = small_model(tmp_path / "c" / "model", seed=9)
    (trained / "chat_template.jinja").write_text("patched")
    facts = made("weights_merge", CONFIG, tmp_path / "out", base=base, checkpoint=tmp_path / "c")
    assert facts["changed_tensors"] == 15  # all but the norms, which begin as ones
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == (
        trained / "model.safetensors"
    ).read_bytes()
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == (
        base / "chat_template.jinja"
    ).read_text()
    assert front_matter(tmp_path / "out")["model_name"] == "Small Tuned"


def with_tensors(base: Path, folder: Path, **more: torch.Tensor | None) -> Path:
    """A copy of a model with further tensors; None takes one out."""
    shutil.copytree(base, folder)
    tensors = {**load_file(folder / "model.safetensors"), **more}
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_another_programs_copy_of_the_weights_is_none_of_the_model(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    shutil.copytree(base, tmp_path / "twice")
    shutil.copyfile(base / "model.safetensors", tmp_path / "twice" / "consolidated.safetensors")
    assert model_facts(tmp_path / "twice")["n_params"] == model_facts(base)["n_params"]
    assert "consolidated.safetensors" not in model_files(tmp_path / "twice")
    facts = made("weights_merge", CONFIG, tmp_path / "out", base=tmp_path / "twice", checkpoint=checkpoint)
    assert (facts["changed_tensors"], facts["tensors"]) == (14, 20)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"model.norm.weight": None}, "lacks model.norm.weight; fetch it again"),
        ({"model.norm.weight": torch.ones(8)}, "has another shape than config.json says for model.norm.w"),
        ({"mtp.fc.weight": torch.ones(8)}, "has what its architecture in config.json does not load: mtp.fc."),
    ],
)
def test_weights_that_would_be_made_up_or_lost_are_refused_before_they_are_used(
    base: Path, tmp_path: Path, tensors: dict[str, torch.Tensor | None], said: str
) -> None:
    with pytest.raises(Refused, match=re.escape(said)):
        load_whole(with_tensors(base, tmp_path / "other", **tensors))


def test_what_an_architecture_leaves_out_knowingly_stops_no_merge(tmp_path: Path) -> None:
    """Qwen3-Next has heads that predict several tokens at once; nothing of them is loaded or trained."""
    small = {
        **{"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "vocab_size": 49152},
        **{"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "num_experts": 2},
        **{"num_experts_per_tok": 1, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16},
        **{"linear_num_value_heads": 2, "linear_num_key_heads": 1, "linear_key_head_dim": 8},
        **{"linear_value_head_dim": 8, "layer_types": ["linear_attention", "full_attention"]},
        "architectures": ["Qwen3NextForCausalLM"],
    }
    Qwen3NextForCausalLM(Qwen3NextConfig(**small)).save_pretrained(tmp_path / "plain")
    base = with_tensors(tmp_path / "plain", tmp_path / "base", **{"mtp.fc.weight": torch.ones(8)})
    checkpoint = small_adapter(base, tmp_path / "c", target_modules=["q_proj"])
    facts = made("weights_merge", CONFIG, tmp_path / "out", base=base, checkpoint=checkpoint)
    assert facts["changed_tensors"] == 1
    whole = load_file(base / "model.safetensors").keys() - {"mtp.fc.weight"}
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == whole


def test_a_checkpoint_of_another_model_is_refused(base: Path, checkpoint: Path, tmp_path: Path) -> None:
    other = small_model(tmp_path / "other", num_hidden_layers=1)
    said = refused("weights_merge", CONFIG, tmp_path / "a", base=other, checkpoint=small_whole(tmp_path))
    assert "trained from another model" in said
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "neither adapter/ nor model/" in refused(
        "weights_merge", CONFIG, tmp_path / "b", base=base, checkpoint=empty
    )


def small_whole(folder: Path) -> Path:
    small_model(folder / "whole" / "model")
    return folder / "whole"


def test_an_adapter_on_tied_embeddings_or_a_quantised_base_is_refused(
    base: Path, checkpoint: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "c"
    shutil.copytree(checkpoint, changed)
    path = changed / "adapter" / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "modules_to_save": ["lm_head"]}))
    said = refused("weights_merge", CONFIG, tmp_path / "a", base=base, checkpoint=changed)
    assert "lm_head" in said and "ties its embeddings" in said
    quantised = tmp_path / "q"
    shutil.copytree(base, quantised)
    config = json.loads((quantised / "config.json").read_text())
    (quantised / "config.json").write_text(json.dumps({**config, "quantization_config": {"bits": 4}}))
    assert "is quantised" in refused(
        "weights_merge", CONFIG, tmp_path / "b", base=quantised, checkpoint=checkpoint
    )
