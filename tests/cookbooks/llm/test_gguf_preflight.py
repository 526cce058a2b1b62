"""Before a training: can this model become a GGUF, and what would it really be?"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cookbooks.llm.llama.converter import NotConvertible, convert, shown_model
from tests.cookbooks.llm.gguf_support import kit, made, refused, small_model
from tests.cookbooks.llm.rows_support import smollm2
from tests.cookbooks.llm.training_support import tiny_model

pytestmark = [pytest.mark.slow, pytest.mark.llamacpp, pytest.mark.timeout(1800)]
CHAT = {"chat": "required"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    kit()
    return small_model(tmp_path_factory.mktemp("preflight") / "small")


def changed(model: Path, folder: Path, **files: Any) -> Path:
    """A copy of the model with some files replaced; None removes one."""
    shutil.copytree(model, folder)
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        if content is None:
            path.unlink()
        else:
            path.write_text(json.dumps({**json.loads(path.read_text()), **content}))
    return folder


@pytest.mark.heavy
def test_a_sample_model_may_be_trained_and_the_table_has_the_true_types(tmp_path: Path) -> None:
    kit()
    facts = made("gguf_preflight", CHAT, tmp_path / "out", model=smollm2())
    assert (facts["gguf_architecture"], facts["pre_tokenizer"]) == ("llama", "smollm")
    rows = {row["quant"]: row for row in facts["table"]}
    assert rows["Q8_0"]["types"] == "Q8_0:15 F32:5" and rows["Q8_0"]["note"] == ""
    # 576 columns are no multiple of 256: only the two of ffn_down get K-quants
    assert rows["Q4_K_M"]["fallbacks"] == 12 and "576 columns" in rows["Q4_K_M"]["note"]
    assert "Q5_0" in rows["Q4_K_M"]["types"] and rows["Q4_K_M"]["bits_per_weight"] > 6
    assert "importance matrix" in rows["IQ2_XS"]["note"]
    assert not rows["Q1_0"]["possible"]


@pytest.mark.heavy
def test_what_suits_no_block_stays_in_16_bits_and_the_rest_does_not(tmp_path: Path) -> None:
    kit()
    # 256 columns suit every block; the 240 of ffn_down, in two layers, not even one of 32
    model = small_model(tmp_path / "model", intermediate_size=240)
    facts = made("gguf_preflight", CHAT, tmp_path / "out", model=model)
    rows = {row["quant"]: row for row in facts["table"]}
    assert rows["Q8_0"]["types"] == "Q8_0:13 F32:5 F16:2"
    assert (rows["Q8_0"]["fallbacks"], rows["Q4_K_M"]["fallbacks"]) == (2, 2)
    assert rows["Q8_0"]["note"].startswith("240 columns are no multiple of the block: a larger type for 2 ")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"config__json": {"architectures": ["NoSuchForCausalLM"]}}, ["NoSuchForCausalLM", "base model"]),
        ({"chat_template__jinja": None}, ["no chat template", "instruct model"]),
        ({"config__json": {"vocab_size": 49000}}, ["token number 49151", "embeds 49000", "resize"]),
        ({"config__json": {"architectures": []}}, ["architectures", "missing"]),
        ({"model__safetensors": None}, ["no model.safetensors"]),
    ],
)
def test_what_would_fail_after_the_training_fails_before_it(
    model: Path, tmp_path: Path, files: dict[str, Any], words: list[str]
) -> None:
    said = refused("gguf_preflight", CHAT, tmp_path / "out", model=changed(model, tmp_path / "m", **files))
    assert all(word in said for word in words), said


def test_a_model_without_a_tokenizer_is_told_so_plainly(model: Path, tmp_path: Path) -> None:
    broken = changed(model, tmp_path / "m", tokenizer__json=None, tokenizer_config__json=None)
    assert "no tokenizer lies beside the model" in refused(
        "gguf_preflight", CHAT, tmp_path / "out", model=broken
    )


@pytest.mark.heavy
def test_a_pre_tokenizer_that_llama_cpp_does_not_know_is_refused(tmp_path: Path) -> None:
    kit()
    said = refused("gguf_preflight", CHAT, tmp_path / "out", model=tiny_model(tmp_path / "tiny"))
    assert "pre-tokenizer" in said and "another base model" in said


@pytest.fixture
def hostile(model: Path, tmp_path: Path) -> Path:
    """A model whose files name code that lies beside them, of an architecture whose code llama.cpp trusts."""
    code = {"AutoConfig": "evil.Evil", "AutoTokenizer": ["evil.Evil", None]}
    where = {"auto_map": code, "architectures": ["Glm4ForCausalLM"], "model_type": "evil"}
    files = {"config__json": where, "tokenizer_config__json": {"auto_map": code}}
    folder = changed(model, tmp_path / "hostile", **files)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: ...\n")
    return folder


def test_a_model_that_names_its_own_code_is_refused(hostile: Path, tmp_path: Path) -> None:
    reason = refused("gguf_preflight", CHAT, tmp_path / "out", model=hostile)
    assert "config.json: auto_map: names code that comes with the model, and none is run" in reason
    assert not (tmp_path / "ran").exists()


def test_the_converter_runs_no_code_of_a_model_even_if_it_is_shown_it(hostile: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    with pytest.raises(NotConvertible, match="small-evil"):
        convert(kit(), hostile, tmp_path / "scratch" / "x.gguf", name="small-evil", more=("--vocab-only",))
    shown = shown_model(hostile, tmp_path / "scratch")
    assert not (tmp_path / "ran").exists()
    assert not list(shown.glob("*.py")) and (shown / "model.safetensors").exists()
