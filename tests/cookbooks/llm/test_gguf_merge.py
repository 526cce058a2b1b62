"""A checkpoint becomes a whole model: the sum in float32, with the base's own tokenizer and template."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from cookbooks.llm.models.directory import front_matter
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
