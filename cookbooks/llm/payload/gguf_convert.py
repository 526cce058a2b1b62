"""Converts a model directory to a quantised GGUF, ``model.gguf.part``; `gguf_verify` gives it its name.

An importance matrix is measured on the training side of the split. Every step is done by llama.cpp's own
code.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.device import Device
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.say import say
from blut_resources.payload_kit.session import PayloadSession, payload_session
from cookbooks.llm.llama.converter import convert, run_converter, shown_model
from cookbooks.llm.llama.gguf_file import GgufFacts, read_gguf
from cookbooks.llm.llama.kit import CONVERTERS, Kit
from cookbooks.llm.llama.library import kit_of, put_converter_first
from cookbooks.llm.llama.quantise import quantise
from cookbooks.llm.llama.quants import NEED_IMPORTANCE, UNQUANTISED
from cookbooks.llm.models.directory import chat_template, front_matter, license_of, write_readme
from cookbooks.llm.payload.gguf_preflight import look_at_files
from cookbooks.llm.scoring.held_out import read_file
from cookbooks.llm.training_loop.process import Clock, prepare_process

PART = "model.gguf.part"
ADAPTER = "adapter.gguf"
WINDOW = 512
"""Tokens of a calibration example that are read."""


@dataclass(frozen=True)
class Origin:
    """Names something that a file was made of, with its digest."""

    name: str
    digest: str


@dataclass(frozen=True)
class ConvertSettings:
    """Says what kind of file is made, and what its metadata say that it was made of."""

    quant: str
    name: str
    base: Origin
    data: Origin
    importance: bool = False
    calibration_tokens: Annotated[int, Bounds(1)] = 4096
    threads: Annotated[int, Bounds(1, 256)] = 1
    device: Device = "auto"


@dataclass(frozen=True)
class ConvertInputs:
    """Names the inputs; with a checkpoint, whose adapter becomes a file of its own, the model is the base."""

    model: Path
    split: Path
    checkpoint: Path | None = None

    @property
    def adapter(self) -> Path | None:
        """Returns where the adapter is that becomes a file of its own; None if none does."""
        return self.checkpoint / "adapter" if self.checkpoint else None


def make(session: PayloadSession, kit: Kit, scratch: Path) -> dict[str, Any]:
    """Convert and quantise; returns what was made.

    Raises:
        Refused, NotConvertible, LlamaError: it cannot be made.
    """
    settings, inputs = read_config(session, ConvertSettings), read_inputs(session, ConvertInputs)
    quant, model = settings.quant, inputs.model
    refuse_unready(settings, inputs)
    whole, part = scratch / "whole.gguf", session.out / PART
    place = shown_model(model, scratch)
    clock = Clock()
    outtype = quant.lower() if quant in UNQUANTISED else "f16"
    options = ("--model-name", settings.name, "--metadata", str(_metadata(settings, model, scratch)))
    convert(kit, place, whole, name=model.name, outtype=outtype, more=options)
    say(f"converted to {outtype} in {clock.seconds:.1f} s")
    session.step(1, seconds=clock.seconds)
    made: dict[str, Any] = {"importance_tokens": None}
    if quant in UNQUANTISED:
        shutil.move(whole, part)
    else:
        importance, more = {}, {}
        if settings.importance:
            importance, tokens = _importance(settings, inputs, kit, read_gguf(whole, kit))
            made["importance_tokens"] = tokens
            more = {
                "quantize.imatrix.dataset": f"training side of {settings.data.digest}",
                "quantize.imatrix.entries_count": len(importance),
            }
        clock = Clock()
        threads = settings.threads
        quantise(kit, whole, part, quant, threads=threads, importance=importance, metadata=more)
        say(f"quantised to {quant} in {clock.seconds:.1f} s")
        session.step(2, seconds=clock.seconds)
    if inputs.adapter:
        _convert_adapter(kit, inputs.adapter, place, session.out, settings, scratch)
    return {**made, **describe(kit, part, settings, model)}


def refuse_unready(settings: ConvertSettings, inputs: ConvertInputs) -> None:
    """Refuse what can be known to fail before anything is converted.

    Raises:
        Refused, NotConvertible: what is missing, and the remedy.
    """
    quant = settings.quant
    if quant in NEED_IMPORTANCE and not settings.importance:
        raise Refused(
            f"quant={quant}: llama.cpp makes it only with an importance matrix; set importance: true, or take"
            " a larger type such as Q3_K_M"
        )
    if inputs.adapter and not (inputs.adapter / "adapter_config.json").is_file():
        raise Refused(
            "form=adapter: the checkpoint holds whole weights, no adapter; train with method lora, or use"
            " form merged"
        )
    look_at_files(inputs.model, chat=False)


def _metadata(settings: ConvertSettings, model: Path, scratch: Path) -> Path:
    """Says where the model and its data come from, in llama.cpp's own keys."""
    published = front_matter(model).get("base_model")
    base = {"name": settings.base.name, "version": settings.base.digest}
    if isinstance(published, str) and "/" in published:
        organization = published.rpartition("/")[0]
        base |= {"organization": organization, "repo_url": f"https://huggingface.co/{published}"}
    path = scratch / "metadata.json"
    made = {
        "general.name": settings.name,
        "general.quantized_by": "Blut",
        "general.base_models": [base],
        "general.datasets": [{"name": settings.data.name, "version": settings.data.digest}],
    }
    path.write_text(json.dumps(made))
    return path


def _importance(
    settings: ConvertSettings, inputs: ConvertInputs, kit: Kit, whole: GgufFacts
) -> tuple[Any, int]:
    put_converter_first(kit)
    from cookbooks.llm.llama.importance import calibration_windows, gguf_names, measure_importance
    from cookbooks.llm.scoring.hf_engine import HfEngine

    clock = Clock()
    with HfEngine(inputs.model, context=WINDOW, device=settings.device) as engine:
        enough = max(64, settings.calibration_tokens // 16)
        examples = read_file(engine.tokenizer, inputs.split / "train.jsonl", most=enough)
        windows, tokens = calibration_windows(
            (example.ids for example in examples), tokens=settings.calibration_tokens, window=WINDOW
        )
        names = gguf_names(engine.model, kit, whole.metadata["general.architecture"])
        importance = measure_importance(engine.model, windows, tensors_in(whole, names))
    if not importance:
        raise Refused(
            "importance: no linear layer of this architecture is known by its name in a GGUF: set importance:"
            " false, and take a type that needs none"
        )
    say(f"importance of {len(importance)} tensors on {tokens} tokens in {clock.seconds:.1f} s")
    return importance, tokens


def tensors_in(whole: GgufFacts, names: dict[str, str]) -> dict[str, str]:
    """Keep only the names of tensors that the file has; an output that is tied is the embedding there."""
    tied = {} if "output.weight" in whole.types else {"output.weight": "token_embd.weight"}
    found = {name: tied.get(to, to) for name, to in names.items()}
    return {name: to for name, to in found.items() if to in whole.types}


def _convert_adapter(
    kit: Kit, adapter: Path, base: Path, out: Path, settings: ConvertSettings, scratch: Path
) -> None:
    place = scratch / "adapter"
    shutil.copytree(adapter, place)
    card = {"model_name": settings.name, "base_model": settings.base.name}
    if (named := license_of(front_matter(base))) != "unknown":
        card["license"] = named
    write_readme(place, card, f"# {settings.name}")
    converter = kit.converter(CONVERTERS[1])
    options = [str(place), "--base", str(base), "--outfile", str(out / ADAPTER), "--outtype", "f16"]
    run_converter(converter, options, settings.name, scratch)


def describe(kit: Kit, part: Path, settings: ConvertSettings, model: Path) -> dict[str, Any]:
    """Returns the facts read back from the file that was written.

    Raises:
        Refused: it lacks the name, licence, template or origin that it was to carry.
    """
    found = read_gguf(part, kit)
    known = license_of(front_matter(model))
    wanted = {
        "general.name": settings.name,
        "general.base_model.0.version": settings.base.digest,
        "general.dataset.0.version": settings.data.digest,
        "tokenizer.chat_template": chat_template(model),
        **({"general.license": known} if known != "unknown" else {}),
    }
    for key, value in wanted.items():
        if value is not None and found.metadata.get(key) != value:
            raise Refused(f"{PART}: {key} is {found.metadata.get(key)!r}, and should be {value!r}")
    return {
        "quant": settings.quant,
        "n_bytes": part.stat().st_size,
        "bits_per_weight": round(found.bits_per_weight, 4),
        "tensor_types": found.counts,
        "license": known,
        "llamacpp": kit.version,
    }


def main() -> None:
    """Make what the config names."""
    with payload_session() as session:
        prepare_process(read_config(session, ConvertSettings).threads)
        kit = kit_of(session)
        with tempfile.TemporaryDirectory(dir=session.work) as scratch:
            session.done(**make(session, kit, Path(scratch)))


if __name__ == "__main__":
    main()
