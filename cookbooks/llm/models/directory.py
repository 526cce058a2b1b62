"""Reads a Hugging Face model directory without any model library:
what it is, and its README's front matter.

The directory holds ``config.json``, ``*.safetensors``, the tokenizer's files, ``chat_template.jinja`` and a
``README.md`` whose front matter names licence and base model.
"""

import datetime
import os
import struct
from pathlib import Path
from typing import Any

import yaml

from blut_resources.files import documents
from blut_resources.files.foreign import open_regular, read_regular
from blut_resources.payload_kit.refuse import Refused
from blut_resources.text import one_line

TORCH_NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64"}
CODE_KEYS = frozenset({"auto_map", "custom_pipelines"})
"""By which transformers finds the Python files of a model directory."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json")
TOKENIZER_PARTS = (
    *TOKENIZER_FILES,
    *("merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    "chat_template.jinja",
)
MODEL_FILES = ("*.json", "*.jinja", "*.model", "*.txt", "README.md", "LICENSE*", "NOTICE*")
"""What is digested of a model directory beside its weights, and all that any tool is shown of it."""
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
HEADER_LIMIT = 100 * 2**20
TODAY = datetime.datetime(2024, 7, 26)
"""What a chat template that writes the date is told: the same bytes on every day."""
CARD = 2**20
"""Bytes of a README that are read: its front matter stands at the top."""


class ModelDirError(Refused, ValueError):
    """Says that a directory is not a usable model, and names the file and what is wrong with it."""


def model_facts(root: Path) -> dict[str, Any]:
    """Returns the facts of an `HfModel`: name, architecture, n_params, vocab, dtype, license.

    Raises:
        ModelDirError: the directory is not a complete model.
    """
    refuse_own_code(root)
    if (root / ADAPTER).is_file():
        # transformers would load it on top of what else lies there
        raise ModelDirError(f"{root}: holds an adapter ({ADAPTER}): merge it into its base, and give that")
    config = model_config(root)
    card = front_matter(root)
    shapes = tensor_shapes(root)
    counts: dict[str, int] = {}
    for dtype, shape in shapes.values():
        counts[dtype] = counts.get(dtype, 0) + _product(shape)
    common = max(counts, key=lambda dtype: counts[dtype])
    return {
        "name": str(card.get("model_name") or root.name),
        "architecture": config["architectures"][0],
        "n_params": sum(counts.values()),
        "vocab": int(text_config(config).get("vocab_size") or 0),
        "dtype": TORCH_NAMES.get(common, common.lower()),
        "license": license_of(card),
    }


def model_files(root: Path) -> list[str]:
    """Returns the names of the files that a model consists of, sorted.

    Weights that no loader takes, such as another program's copy of the same, are none of them.

    Raises:
        ModelDirError: it has no weights, or an index names a file that is not there.
    """
    beside = {path.name for pattern in MODEL_FILES for path in root.glob(pattern) if path.is_file()}
    return sorted(beside | {path.name for path in weight_files(root)})


def refuse_own_code(root: Path) -> None:
    """Refuse a directory that names code to be loaded with the model: whoever wrote it would run it here.

    Raises:
        ModelDirError: naming the file and the key.
    """
    for path in sorted(root.glob("*config.json")):
        if keys := sorted(_keys(read_json(path)) & CODE_KEYS):
            raise ModelDirError(
                f"{path}: {keys[0]}: names code that comes with the model, and none is run; if transformers"
                " knows this architecture by itself, take the key out of a copy of the directory, else use"
                " another model"
            )


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {*value, *(key for inner in value.values() for key in _keys(inner))}
    return {key for inner in value for key in _keys(inner)} if isinstance(value, list) else set()


def model_config(root: Path) -> dict[str, Any]:
    """Returns ``config.json``, with an architecture.

    Raises:
        ModelDirError: it is missing, no JSON, or names no architecture.
    """
    config = read_json(root / "config.json")
    if not config.get("architectures"):
        raise ModelDirError(f"{root / 'config.json'}: architectures: missing; name the model class there")
    return config


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """Returns the part of a config that describes the language model;
    multimodal ones keep it one level down.
    """
    inner = config.get("text_config")
    return inner if isinstance(inner, dict) else config


def read_json(path: Path) -> dict[str, Any]:
    """Returns a JSON object from a file.

    Raises:
        ModelDirError: it is missing or is not a JSON object.
    """
    try:
        value = documents.read_json(read_regular(path, HEADER_LIMIT), str(path), HEADER_LIMIT)
    except FileNotFoundError:
        raise ModelDirError(f"{path}: missing; a model directory holds {path.name}") from None
    except OSError as error:
        raise ModelDirError(str(error)) from error
    except documents.DocumentError as error:
        raise ModelDirError(str(error)) from error
    if not isinstance(value, dict):
        raise ModelDirError(f"{path}: is not a JSON object")
    return value


def tensor_shapes(root: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Returns tensor name -> (safetensors dtype, shape), of the files that a loader takes.

    Raises:
        ModelDirError: there is none, one is torn, or lacks a tensor that the index says it holds.
    """
    files = weight_files(root)
    found = {path.name: _header(path) for path in files}
    if files != [root / WHOLE]:
        for name, file in read_json(root / INDEX)["weight_map"].items():
            if name not in found[file]:
                raise ModelDirError(
                    f"{root / file}: lacks {name}, which {INDEX} says it holds; fetch it again"
                )
    return {name: value for held in found.values() for name, value in held.items()}


def weight_files(root: Path) -> list[Path]:
    """Returns the files that a loader takes the weights from:
    ``model.safetensors``, or those that an index names.

    Raises:
        ModelDirError: there are none of these names, whatever else lies there.
    """
    if (root / WHOLE).is_file():
        return [root / WHOLE]
    if not (root / INDEX).is_file():
        others = sorted({*root.glob("*.safetensors"), *root.glob("*.bin"), *root.glob("*.pt")})
        beside = f" ({', '.join(path.name for path in others[:5])} is not read)" if others else ""
        raise ModelDirError(
            f"{root}: holds no {WHOLE} and no {INDEX}{beside}; save the model with save_pretrained"
        )
    named = read_json(root / INDEX).get("weight_map")
    names = sorted({str(name) for name in named.values()}) if isinstance(named, dict) else []
    for name in names:
        if "/" in name or not name.endswith(".safetensors") or not (root / name).is_file():
            raise ModelDirError(
                f"{root / INDEX}: weight_map names {name!r}, which is no .safetensors file there"
            )
    if not names:
        raise ModelDirError(f"{root / INDEX}: weight_map: names no file; save the model with save_pretrained")
    return [root / name for name in names]


def _header(path: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\xff"))
        if length > min(size - 8, HEADER_LIMIT):
            raise ModelDirError(f"{path}: is no safetensors file, or only its beginning")
        data = file.read(length)
    try:
        header = documents.read_json(data, f"{path}: its header", HEADER_LIMIT, distinct=True)
        header.pop("__metadata__", None)
        end = max((int(entry["data_offsets"][1]) for entry in header.values()), default=0)
        found = {
            name: (str(entry["dtype"]), tuple(map(int, entry["shape"]))) for name, entry in header.items()
        }
    except documents.DocumentError as error:
        raise ModelDirError(str(error)) from error
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelDirError(f"{path}: its header is none of safetensors ({error!r})") from error
    if 8 + length + end != size:
        raise ModelDirError(f"{path}: has {size} bytes, its header announces {8 + length + end}: it is torn")
    return found


def chat_template(root: Path) -> str | None:
    """Returns the chat template of a model directory,
    from either place where one is kept; None without one.
    """
    path = root / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    config = root / "tokenizer_config.json"
    template = read_json(config).get("chat_template") if config.is_file() else None
    if isinstance(template, list):
        # several named templates: transformers and llama.cpp take "default"
        named = {entry.get("name"): entry.get("template") for entry in template}
        template = named.get("default")
    return template or None


def front_matter(root: Path) -> dict[str, Any]:
    """Returns the YAML front matter of ``README.md``; empty without one."""
    path = root / "README.md"
    if not path.is_file():
        return {}
    with open_regular(path) as file:
        lines = file.read(CARD).decode(errors="replace").splitlines()
    if not lines or lines[0].strip() != "---" or "---" not in lines[1:]:
        return {}
    text = "\n".join(lines[1 : lines.index("---", 1)])
    try:
        found = documents.read_yaml(text, f"{path}: the front matter", CARD)
    except documents.DocumentError as error:
        raise ModelDirError(str(error)) from error
    return found if isinstance(found, dict) else {}


def license_of(card: dict[str, Any]) -> str:
    """Returns the licence that a front matter names; ``unknown`` without one."""
    name = card.get("license")
    if name == "other":
        name = card.get("license_name") or name
    return one_line(name, 200) if name else "unknown"


def write_readme(root: Path, card: dict[str, Any], text: str) -> None:
    """Write ``README.md`` with this front matter, as model cards have it."""
    front = yaml.safe_dump(card, sort_keys=False, allow_unicode=True)
    (root / "README.md").write_text(f"---\n{front}---\n\n{text.strip()}\n", encoding="utf-8")


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for size in shape:
        result *= size
    return result
