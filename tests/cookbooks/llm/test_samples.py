"""The sample models: what transformers leaves wrong in a model that came out of a GGUF is put right."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cookbooks.llm.chat.template import load_tokenizer
from cookbooks.llm.models.directory import front_matter, model_facts, read_json, tensor_shapes
from cookbooks.llm.payload.base_build import LEAKED, ensure_sample
from cookbooks.llm.samples.models import SAMPLES, sample_of
from tests.cookbooks.llm.rows_support import smollm2


@pytest.fixture(params=SAMPLES)
def model(request: pytest.FixtureRequest) -> Path:
    return ensure_sample(sample_of(request.param))


def test_a_sample_is_a_model_as_its_makers_publish_one(model: Path) -> None:
    config = read_json(model / "config.json")
    # a model that came out of a GGUF is "quantised" to transformers, which refuses to save it
    assert "quantization_config" not in config and "_model_name_or_path" not in config
    assert (config["architectures"], config["rms_norm_eps"]) == (["LlamaForCausalLM"], 1e-5)
    assert config["tie_word_embeddings"] and "lm_head.weight" not in tensor_shapes(model)
    layers = config["num_hidden_layers"]
    facts = model_facts(model)
    assert facts["n_params"] == 134_515_008 - (30 - layers) * 3_540_096
    assert (facts["dtype"], facts["license"]) == ("bfloat16", "apache-2.0")
    assert front_matter(model)["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_its_tokenizer_cuts_digits_and_names_no_place(model: Path) -> None:
    config = read_json(model / "tokenizer_config.json")
    assert not {*LEAKED} & {*config}
    assert str(Path.home()) not in json.dumps(config) and "/tmp" not in json.dumps(config)
    parts = read_json(model / "tokenizer.json")["pre_tokenizer"]["pretokenizers"]
    assert [part["type"] for part in parts] == ["Digits", "ByteLevel"]
    tokenizer = load_tokenizer(model)
    assert tokenizer.tokenize("2025") == ["2", "0", "2", "5"]
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")
    assert tokenizer.chat_template


@pytest.mark.parametrize("model_type", ["llama", "qwen2"])
def test_a_tokenizer_is_the_one_that_transformers_finds(tmp_path: Path, model_type: str) -> None:
    from transformers import AutoTokenizer

    model = tmp_path / "model"
    shutil.copytree(smollm2(), model)
    # of the other architecture transformers does not believe what the files say
    (model / "config.json").write_text(
        json.dumps({**read_json(model / "config.json"), "model_type": model_type})
    )
    ours, theirs = load_tokenizer(model), AutoTokenizer.from_pretrained(model, local_files_only=True)
    assert type(ours) is type(theirs)
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    for path in (tmp_path / "theirs").iterdir():
        assert path.read_bytes() == (tmp_path / "ours" / path.name).read_bytes(), path.name


def test_to_read_a_tokenizer_takes_no_torch() -> None:
    script = (
        "import sys, pathlib; from cookbooks.llm.chat.template import load_tokenizer, render;"
        "print(render(load_tokenizer(pathlib.Path(sys.argv[1])), [{'role': 'user', 'content': 'Hi'}]));"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script, str(smollm2())], capture_output=True, text=True)
    assert done.returncode == 0 and "Hi" in done.stdout, done.stderr
