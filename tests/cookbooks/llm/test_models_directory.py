"""A model directory, read without a model library."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from cookbooks.llm.models.directory import (
    ModelDirError,
    chat_template,
    front_matter,
    license_of,
    model_config,
    model_facts,
    tensor_shapes,
    write_readme,
)


def model(folder: Path, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    content = {"architectures": ["TinyForCausalLM"], "vocab_size": 7, **config}
    (folder / "config.json").write_text(json.dumps(content))
    tensors = {"a.weight": np.zeros((7, 3), np.float16), "b.bias": np.zeros(5, np.float32)}
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_facts_are_read_from_the_bytes(tmp_path: Path) -> None:
    root = model(tmp_path / "tiny")
    write_readme(root, {"model_name": "Tiny 1", "license": "mit", "base_model": "a/b"}, "# Tiny")
    assert model_facts(root) == {
        "name": "Tiny 1",
        "architecture": "TinyForCausalLM",
        "n_params": 26,
        "vocab": 7,
        "dtype": "float16",
        "license": "mit",
    }


def test_without_a_readme_the_licence_is_unknown_and_the_directory_is_the_name(tmp_path: Path) -> None:
    facts = model_facts(model(tmp_path / "tiny"))
    assert (facts["name"], facts["license"]) == ("tiny", "unknown")


def test_another_licence_is_called_by_its_name(tmp_path: Path) -> None:
    root = model(tmp_path / "tiny")
    write_readme(root, {"license": "other", "license_name": "gemma"}, "text")
    assert model_facts(root)["license"] == "gemma"


def test_front_matter_is_what_was_written(tmp_path: Path) -> None:
    card = {"license": "mit", "language": ["en"], "title": "--- no: end"}
    write_readme(tmp_path, card, "# Text\n\n---\n\nmore")
    assert front_matter(tmp_path) == card


def test_a_chat_template_is_found_in_either_place(tmp_path: Path) -> None:
    assert chat_template(tmp_path) is None
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "old"}))
    assert chat_template(tmp_path) == "old"
    named = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))
    assert chat_template(tmp_path) == "d"
    (tmp_path / "chat_template.jinja").write_text("new")
    assert chat_template(tmp_path) == "new"


def test_a_directory_that_is_no_model_is_refused_by_file(tmp_path: Path) -> None:
    with pytest.raises(ModelDirError, match=r"config\.json: missing"):
        model_facts(tmp_path)
    root = model(tmp_path / "tiny", architectures=None)
    with pytest.raises(ModelDirError, match="architectures: missing"):
        model_facts(root)
    root = model(tmp_path / "tiny")
    weights = root / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(ModelDirError, match="it is torn"):
        model_facts(root)
    weights.write_bytes(b"PK\x03\x04 not this")
    with pytest.raises(ModelDirError, match="is no safetensors file"):
        model_facts(root)
    weights.unlink()
    with pytest.raises(ModelDirError, match=r"holds no model.safetensors"):
        model_facts(root)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "processor_config.json"])
def test_a_model_that_names_its_own_code_is_refused(tmp_path: Path, name: str, nested: bool) -> None:
    root = model(tmp_path / "tiny")
    named: dict[str, Any] = {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}
    known = json.loads((root / name).read_text()) if (root / name).exists() else {}
    (root / name).write_text(json.dumps({**known, **({"text_config": named} if nested else named)}))
    with pytest.raises(ModelDirError, match=rf"{name}: auto_map: names code .* none is run"):
        model_facts(root)


def test_the_weights_are_those_that_a_loader_takes_and_nothing_else(tmp_path: Path) -> None:
    root = model(tmp_path / "tiny")
    save_file({"decoy": np.zeros(9, np.float32)}, root / "decoy.safetensors")
    assert model_facts(root)["n_params"] == 26
    (root / "model.safetensors").rename(root / "decoy.safetensors")
    (root / "pytorch_model.bin").write_bytes(b"other weights")
    with pytest.raises(
        ModelDirError, match=r"no model.safetensors and no .*decoy.safetensors, pytorch_model.bin"
    ):
        model_facts(root)


@pytest.mark.parametrize("named", ["../other.safetensors", "pytorch_model.bin", "missing.safetensors"])
def test_an_index_that_names_other_files_is_refused(tmp_path: Path, named: str) -> None:
    root = model(tmp_path / "tiny")
    (root / "model.safetensors").rename(root / "model-1.safetensors")
    (root / "pytorch_model.bin").write_bytes(b"other weights")
    index = root / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a.weight": "model-1.safetensors"}}))
    assert model_facts(root)["n_params"] == 26
    index.write_text(json.dumps({"weight_map": {"a.weight": named}}))
    with pytest.raises(ModelDirError, match="weight_map names"):
        model_facts(root)


def test_a_licence_of_aliases_and_a_header_of_nonsense_are_refused_by_name(tmp_path: Path) -> None:
    laughs = "a: &a [x, x]\nb: &b [*a, *a]\nlicense: *b"
    (tmp_path / "README.md").write_text(f"---\n{laughs}\n---\n")
    with pytest.raises(ModelDirError, match=r"README.md: the front matter, line 2: an alias \(\*a\)"):
        front_matter(tmp_path)
    (tmp_path / "README.md").write_text("---\nlicense: " + "x" * 5000 + "\n---\n" + "text\n" * 400_000)
    assert len(license_of(front_matter(tmp_path))) == 200
    for header in (b"[" * 5000, b'{"w": {"dtype": "F32"}}', b"[]", b'{"w": {"data_offsets": [0, 1e999]}}'):
        data = len(header).to_bytes(8, "little") + header
        (tmp_path / "model.safetensors").write_bytes(data)
        with pytest.raises(ModelDirError, match=r"model.safetensors: its header"):
            tensor_shapes(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(ModelDirError, match=r"config.json: a named pipe, no regular file"):
        model_config(tmp_path)


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelDirError, match=r"holds an adapter .*: merge it into its base, and give that"):
        model_facts(tmp_path)


def test_a_shard_that_lacks_what_the_index_says_is_named(tmp_path: Path) -> None:
    save_file({"a.weight": np.ones(2)}, tmp_path / "model-1.safetensors")
    named = {"a.weight": "model-1.safetensors", "b.weight": "model-1.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": named}))
    with pytest.raises(ModelDirError, match=r"model-1\.safetensors: lacks b\.weight"):
        tensor_shapes(tmp_path)
