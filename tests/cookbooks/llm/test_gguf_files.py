"""GGUF files by llama.cpp itself: complete, faithful, and where they are not, said so."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cookbooks.llm.llama.fidelity import FILE, read_fidelity
from cookbooks.llm.payload.base_build import ensure_sample
from cookbooks.llm.samples.models import sample_of
from tests.cookbooks.llm.gguf_support import (
    CONVERT,
    VERIFY,
    kit,
    made,
    refused,
    run_payload,
    small_adapter,
    small_model,
    small_split,
)

pytestmark = [pytest.mark.slow, pytest.mark.llamacpp, pytest.mark.timeout(1800)]


class Bench:
    """A small model, rows, and the two payloads that make a GGUF of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.model, self.split = small_model(root / "model"), small_split(root / "split")
        self._n = 0

    def convert(self, **change: Any) -> tuple[Path, dict[str, Any]]:
        self._n += 1
        out = self.root / f"made{self._n}"
        inputs = {"model": self.model, "split": self.split, **change.pop("inputs", {})}
        return out, made("gguf_convert", {**CONVERT, **change}, out, **inputs)

    def verify(self, made_in: Path, **change: Any) -> tuple[Path, dict[str, Any]]:
        self._n += 1
        out = self.root / f"verified{self._n}"
        inputs = {"model": self.model, "split": self.split, **change.pop("inputs", {})}
        return out, made("gguf_verify", {**VERIFY, **change}, out, gguf=made_in, **inputs)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    kit()
    return Bench(tmp_path_factory.mktemp("gguf"))


@pytest.fixture(scope="module")
def half(bench: Bench) -> tuple[Path, dict[str, Any], Path, dict[str, Any]]:
    """The f16 file, made and verified."""
    part, facts = bench.convert()
    copy = bench.root / "f16"
    shutil.copytree(part, copy)
    return (part, facts, *bench.verify(copy))


@pytest.mark.heavy
def test_a_half_precision_file_predicts_what_the_model_does(
    half: tuple[Path, dict[str, Any], Path, dict[str, Any]],
) -> None:
    _, facts, out, found = half
    assert facts["tensor_types"] == "F16:15 F32:5" and facts["license"] == "mit"
    assert found["faithful"] and found["missed"] == []
    assert found["kl"] < 1e-4 and found["top1_agreement"] > 0.98 and found["n_tokens"] >= 300
    assert found["perplexity"] == pytest.approx(found["perplexity_reference"], rel=1e-3)
    assert found["tokenizer_equal"] and found["template_equal"]
    low, high = found["kl_interval"]
    assert low <= found["kl"] <= high and found["n_rows"] == 8
    assert sorted(path.name for path in out.iterdir()) == ["fidelity.json", "model.gguf"]
    assert read_fidelity((out / FILE).read_bytes())[1] == []


def test_the_file_says_what_it_is_and_where_it_comes_from(
    half: tuple[Path, dict[str, Any], Path, dict[str, Any]], bench: Bench
) -> None:
    from cookbooks.llm.scoring.gguf_engine import GgufEngine

    with GgufEngine(half[2] / "model.gguf", kit(), context=64) as engine:
        metadata, template = engine.metadata(), engine.chat_template()
    wanted = {
        "general.name": "Small Test",
        "general.license": "mit",
        "general.base_model.0.name": "small",
        "general.base_model.0.version": "b3:base",
        "general.dataset.0.version": "b3:data",
        "general.quantized_by": "Blut",
        "tokenizer.ggml.pre": "smollm",
    }
    assert {key: metadata.get(key) for key in wanted} == wanted
    assert template == (bench.model / "chat_template.jinja").read_text()


@pytest.mark.heavy
def test_the_same_model_gives_the_same_bytes_wherever_it_lies(
    half: tuple[Path, dict[str, Any], Path, dict[str, Any]], bench: Bench, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "v9.7b-elsewhere"
    shutil.copytree(bench.model, elsewhere)
    part, _ = bench.convert(inputs={"model": elsewhere})
    assert (part / "model.gguf.part").read_bytes() == (half[2] / "model.gguf").read_bytes()


@pytest.mark.heavy
def test_quantisation_costs_what_is_reported_and_below_a_floor_it_is_no_pass(bench: Bench) -> None:
    part, facts = bench.convert(quant="Q2_K")
    # true K-quants: 256 columns suit them
    assert "Q2_K" in facts["tensor_types"] and facts["bits_per_weight"] < 7
    copy = bench.root / "strict"
    shutil.copytree(part, copy)
    _, lenient = bench.verify(part, max_kl=50, min_top1=0.01, max_perplexity_ratio=100)
    assert lenient["faithful"] and lenient["kl"] > 0.01
    out, strict = bench.verify(copy, max_kl=lenient["kl"] / 2, min_top1=0.01, max_perplexity_ratio=100)
    assert not strict["faithful"] and "KL is" in strict["missed"][0]
    assert read_fidelity((out / FILE).read_bytes())[1] == strict["missed"]
    report = json.loads((out / "fidelity.json").read_text())
    # a report that was touched up is judged again
    (out / "fidelity.json").write_text(json.dumps({**report, "faithful": True, "missed": []}))
    assert read_fidelity((out / FILE).read_bytes())[1] == strict["missed"]


@pytest.mark.heavy
def test_an_importance_matrix_from_the_training_side_is_used_and_recorded(bench: Bench) -> None:
    from cookbooks.llm.scoring.gguf_engine import GgufEngine

    # a type that llama.cpp refuses to make without
    helped, facts = bench.convert(quant="IQ2_XS", importance=True)
    assert facts["importance_tokens"] >= 512 and "IQ2_XS" in facts["tensor_types"]
    with GgufEngine(helped / "model.gguf.part", kit(), context=64) as engine:
        metadata = engine.metadata()
    assert metadata["quantize.imatrix.entries_count"] == "15"
    assert "b3:data" in metadata["quantize.imatrix.dataset"]


def test_a_type_that_needs_importance_is_refused_without_it(bench: Bench, tmp_path: Path) -> None:
    config = {**CONVERT, "quant": "IQ2_XS"}
    said = refused("gguf_convert", config, tmp_path / "out", model=bench.model, split=bench.split)
    assert "importance: true" in said


@pytest.mark.heavy
def test_an_adapter_of_its_own_is_applied_to_the_base(bench: Bench, tmp_path: Path) -> None:
    checkpoint = small_adapter(bench.model, tmp_path / "c")
    made("weights_merge", {"name": "tuned"}, tmp_path / "merged", base=bench.model, checkpoint=checkpoint)
    part, _ = bench.convert(inputs={"checkpoint": checkpoint})
    assert (part / "adapter.gguf").stat().st_size < (part / "model.gguf.part").stat().st_size / 20
    alone = bench.root / "alone"
    shutil.copytree(part, alone)
    (alone / "adapter.gguf").unlink()
    tuned = {"model": tmp_path / "merged"}
    out, found = bench.verify(part, inputs=tuned)
    assert found["faithful"] and found["kl"] < 1e-3
    assert sorted(path.name for path in out.iterdir()) == ["adapter.gguf", "fidelity.json", "model.gguf"]
    _, without = bench.verify(alone, inputs=tuned)
    assert not without["faithful"] and without["kl"] > 10 * found["kl"]


def test_whole_weights_are_no_adapter(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    inputs = {"model": bench.model, "split": bench.split, "checkpoint": tmp_path / "c"}
    status, _, said = run_payload("gguf_convert", CONVERT, tmp_path / "out", **inputs)
    assert status != 0 and "no adapter" in said and "form merged" in said


def test_a_file_of_another_model_or_a_torn_one_is_found_out(
    half: tuple[Path, dict[str, Any], Path, dict[str, Any]], bench: Bench, tmp_path: Path
) -> None:
    other = small_model(tmp_path / "other", seed=3)
    shutil.copytree(half[0].parent / "f16", tmp_path / "swapped", ignore=shutil.ignore_patterns("*"))
    shutil.copyfile(half[2] / "model.gguf", tmp_path / "swapped" / "model.gguf.part")
    _, found = bench.verify(tmp_path / "swapped", inputs={"model": other})
    assert not found["faithful"] and found["kl"] > 1
    torn = tmp_path / "torn"
    torn.mkdir()
    data = (half[2] / "model.gguf").read_bytes()
    (torn / "model.gguf.part").write_bytes(data[: len(data) // 2])
    said = refused("gguf_verify", VERIFY, tmp_path / "out", gguf=torn, model=bench.model, split=bench.split)
    assert "llama.cpp cannot load it" in said


def test_a_tokenizer_that_cuts_otherwise_is_no_pass(
    half: tuple[Path, dict[str, Any], Path, dict[str, Any]], bench: Bench, tmp_path: Path
) -> None:
    shutil.copytree(bench.model, tmp_path / "model")
    path = tmp_path / "model" / "tokenizer.json"
    content = json.loads(path.read_text())
    content["pre_tokenizer"]["pretokenizers"] = content["pre_tokenizer"]["pretokenizers"][1:]
    content["model"]["merges"].insert(0, ["2", "0"])
    content["model"]["vocab"]["20"] = content["model"]["vocab"].pop("Ġbackstory", 40000)
    path.write_text(json.dumps(content))
    (tmp_path / "made").mkdir()
    shutil.copyfile(half[2] / "model.gguf", tmp_path / "made" / "model.gguf.part")
    _, found = bench.verify(tmp_path / "made", inputs={"model": tmp_path / "model"})
    assert not found["tokenizer_equal"] and not found["faithful"]
    assert "In 2" in found["tokenizer_difference"] or "2" in found["tokenizer_difference"]


def test_both_engines_cut_predict_and_write_alike(
    half: tuple[Path, dict[str, Any], Path, dict[str, Any]], bench: Bench
) -> None:
    from cookbooks.llm.llama.library import LlamaError
    from cookbooks.llm.scoring.gguf_engine import GgufEngine
    from cookbooks.llm.scoring.hf_engine import HfEngine

    asked = [{"role": "user", "content": "Größe 2025 <b>🦙</b>?"}]
    with (
        GgufEngine(half[2] / "model.gguf", kit(), context=96) as ours,
        HfEngine(bench.model, context=96, device="cpu") as theirs,
    ):
        prompt = ours.prompt(asked)
        assert prompt == theirs.prompt(asked)
        tokens = ours.encode(prompt)
        assert tokens == theirs.encode(prompt) and ours.decode(tokens) == prompt
        answer = ours.answer(tokens, most=12)
        assert answer == theirs.answer(tokens, most=12)
        cut = answer.text[4:7]
        stopped = ours.answer(tokens, most=12, stop=["", cut])
        assert stopped == theirs.answer(tokens, most=12, stop=["", cut])
        assert stopped.stopped and stopped.text == answer.text[: answer.text.find(cut)]
        with pytest.raises(LlamaError, match="do not fit the context of 96"):
            ours.logits(tokens * 20)
        # the context is fresh for every call
        assert (ours.logits(tokens) == ours.logits(tokens)).all()
        ours.close()
        ours.close()


@pytest.mark.heavy
def test_the_real_model_is_quantised_faithfully_and_still_answers(bench: Bench) -> None:
    model = {"model": ensure_sample(sample_of("sample:smollm2"))}
    part, facts = bench.convert(quant="Q8_0", inputs=model)
    assert facts["tensor_types"] == "Q8_0:211 F32:61" and facts["license"] == "apache-2.0"
    _, found = bench.verify(part, inputs=model, n_tokens=200, context=512, max_kl=0.02, min_top1=0.9)
    assert found["faithful"], found["missed"]
    assert 1e-4 < found["kl"] < 0.02 and found["answer_stops"]
    assert found["answers"][0]["answer"]
