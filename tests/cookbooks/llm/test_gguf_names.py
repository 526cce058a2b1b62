"""What can be known of GGUFs without llama.cpp: names, plans in its logs, floors, where a kit is."""

import typing
from pathlib import Path

import pytest

from blut_resources.payload_kit.cache import ensure_built, is_built
from blut_resources.payload_kit.pinned import BuildError
from cookbooks.llm.configs.gguf import Quant
from cookbooks.llm.llama import kit as llamacpp
from cookbooks.llm.llama.fidelity import floors_missed
from cookbooks.llm.llama.kit import KitError, ensure_kit, find_kit
from cookbooks.llm.llama.quants import FILE_TYPES, quant_of, read_plan

LOG = """\
[   1/   3] output_norm.weight   - [   576,      1,      1,      1], type =    f32, size =    0.002 MiB
warning: blk.0.attn_q.weight     - ncols    576 not divisible by 256 (required for type    q4_K)
[   2/   3] blk.0.attn_q.weight  - [   576, 576, 1, 1], type =   f16, size =   0.63 MiB ->   0.22 MiB (q5_0)
warning: blk.0.attn_k.weight     - ncols    240 not divisible by  32 (required for type    q8_0) -> f16
[   3/   3] blk.0.ffn_down.weight - [  1536, 576, 1, 1], type =   f16, size =   1.69 MiB ->   0.47 MiB (q4_K)
llama_model_quantize_impl: quant size  =    98.87 MiB (6.17 BPW)
"""
FOUND = {
    **{"kl": 0.05, "top1_agreement": 0.9, "perplexity": 11.0, "perplexity_reference": 10.0},
    **{"tokenizer_equal": True, "tokenizer_difference": "", "template_equal": True},
    **{"answer_stops": True, "reference_stops": True},
}
FLOORS = {"max_kl": 0.1, "min_top1": 0.8, "max_perplexity_ratio": 1.2}


def test_the_config_offers_every_quantisation_there_is() -> None:
    assert set(typing.get_args(Quant)) == set(FILE_TYPES)


def test_a_quantisation_may_be_written_in_any_case_and_an_unknown_one_is_refused() -> None:
    assert (quant_of("q4_k_m"), quant_of("f16")) == ("Q4_K_M", "F16")
    with pytest.raises(ValueError, match=r"'Q4_K_X'.*Q4_K_M"):
        quant_of("Q4_K_X")


def test_a_plan_has_the_true_types_and_what_fell_back() -> None:
    plan = read_plan(LOG.splitlines())
    assert plan.counts() == "F32:1 Q4_K:1 Q5_0:1"
    # llama.cpp pads the size of a block to three places
    assert plan.fallbacks == {"blk.0.attn_q.weight": 576, "blk.0.attn_k.weight": 240}
    assert plan.fallback_columns() == {240: 1, 576: 1}
    assert (plan.mib, plan.bits) == (98.87, 6.17)


def test_a_file_within_its_floors_is_faithful() -> None:
    assert floors_missed(FOUND, FLOORS) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kl": 0.11}, "KL is 0.11"),
        ({"kl": float("nan")}, "KL is nan"),
        ({"top1_agreement": 0.79}, "79.0%"),
        ({"perplexity": 12.5}, "1.250 times"),
        ({"tokenizer_equal": False, "tokenizer_difference": "after 'a'"}, "other tokens: after 'a'"),
        ({"template_equal": False}, "chat template"),
        ({"answer_stops": False}, "does not end any answer"),
    ],
)
def test_each_floor_speaks_for_itself(change: dict, words: str) -> None:
    (missed,) = floors_missed({**FOUND, **change}, FLOORS)
    assert words in missed


def test_a_file_need_not_stop_where_the_model_does_not() -> None:
    assert floors_missed({**FOUND, "answer_stops": False, "reference_stops": False}, FLOORS) == []


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("BLUT_LLAMA_KIT", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "blut"


def test_a_machine_without_a_compiler_is_told_what_to_install(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(empty_cache))
    monkeypatch.setattr(llamacpp.sys, "executable", str(empty_cache / "python"))
    monkeypatch.delenv("CXX", raising=False)
    assert find_kit() is None
    with pytest.raises(KitError, match=r"cmake and a C\+\+ compiler is missing: .*apt-get install cmake"):
        ensure_kit()
    assert not [path for path in empty_cache.iterdir() if not path.name.endswith(".lock")]


def test_a_named_kit_must_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("not a kit")
    monkeypatch.setenv("BLUT_LLAMA_KIT", str(tmp_path / "mine"))
    assert find_kit() is None
    with pytest.raises(BuildError, match="was not built here"):
        ensure_kit()
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "not a kit"


def test_what_is_built_is_whole_or_not_there(tmp_path: Path) -> None:
    dest, wanted = tmp_path / "thing", {"version": 1}

    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        ensure_built(dest, wanted, fail)
    assert not dest.exists()
    ensure_built(dest, wanted, lambda folder: (folder / "whole").write_text("x") and None)
    assert is_built(dest, wanted) and not is_built(dest, {"version": 2})
    (dest / "whole").write_text("longer")
    assert not is_built(dest, wanted)
    ensure_built(dest, wanted, lambda folder: (folder / "whole").write_text("y") and None)
    assert (dest / "whole").read_text() == "y"
