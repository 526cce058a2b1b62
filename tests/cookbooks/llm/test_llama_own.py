"""``$BLUT_LLAMACPP_DIR``: what is found in it, what is made with it, what is said where parts are missing."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_resources.payload_kit.pinned import BuildError
from cookbooks.llm.gate.clean import clean_start
from cookbooks.llm.llama.own import described, find_own, made_with, named, read_with
from tests.cookbooks.llm.gguf_support import CONVERT, VERIFY, kit, made, refused, small_model, small_split
from tests.cookbooks.llm.own_llama import COMMIT, TELLS, checkout, write_program

pytestmark = [pytest.mark.slow, pytest.mark.llamacpp, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    return {"model": small_model(root / "model"), "split": small_split(root / "split")}


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path | str], None]:
    """Name a directory as the llama.cpp to take."""

    def name(root: Path | str) -> None:
        monkeypatch.setenv("BLUT_LLAMACPP_DIR", str(root))

    return name


def without_kit(monkeypatch: pytest.MonkeyPatch, root: Path) -> Path:
    """From now on nothing was built, and nothing can be."""
    monkeypatch.setenv("BLUT_LLAMA_KIT", str(root / "nowhere"))
    monkeypatch.setenv("CXX", str(root / "no-compiler"))
    return root / "nowhere"


@pytest.mark.heavy
def test_a_library_is_called_as_its_own_header_says_and_makes_the_same_bytes(
    inputs: dict[str, Path], take: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"quant": "Q4_K_M", "importance": True}
    reference = made("gguf_convert", {**CONVERT, **more}, tmp_path / "pinned", **inputs)
    take(checkout(tmp_path / "llama.cpp", program=False))
    nowhere = without_kit(monkeypatch, tmp_path)
    facts = made("gguf_convert", {**CONVERT, **more}, tmp_path / "own", **inputs)
    assert facts["llamacpp"] == "llama.cpp of $BLUT_LLAMACPP_DIR, unknown commit"
    assert {**facts, "llamacpp": ""} == {**reference, "llamacpp": ""}
    parts = [(tmp_path / name / "model.gguf.part").read_bytes() for name in ("own", "pinned")]
    assert parts[0] == parts[1]
    floors = {"max_kl": 20, "min_top1": 0.1, "max_perplexity_ratio": 100}
    found = made("gguf_verify", {**VERIFY, **floors}, tmp_path / "seen", gguf=tmp_path / "own", **inputs)
    assert found["tokenizer_equal"] and found["kl"] > 0
    assert not nowhere.exists(), "no kit was built beside it"


@pytest.mark.heavy
def test_its_program_quantises_and_without_a_library_the_pinned_kit_reads(
    inputs: dict[str, Path], take: Callable[..., None], tmp_path: Path
) -> None:
    root = checkout(tmp_path / "llama.cpp", library=False)
    write_program(root / "build" / "bin" / "llama-cli", TELLS)
    take(root)
    facts = made(
        "gguf_convert", {**CONVERT, "quant": "Q4_K_M", "importance": True}, tmp_path / "own", **inputs
    )
    assert facts["llamacpp"] == f"llama.cpp of $BLUT_LLAMACPP_DIR, commit {COMMIT[:9]}"
    assert "Q4_K" in facts["tensor_types"]
    asked = (root / "build" / "bin" / "asked").read_text()
    assert asked.startswith("--imatrix imatrix.gguf ") and asked.endswith(" Q4_K_M 1")


@pytest.mark.heavy
def test_a_program_that_fails_is_quoted(
    inputs: dict[str, Path], take: Callable[..., None], tmp_path: Path
) -> None:
    root = checkout(tmp_path / "llama.cpp")
    program = root / "build" / "bin" / "llama-quantize"
    take(root)
    write_program(program, "#!/bin/sh\necho 'error: no such type' >&2\nexit 3\n")
    said = refused("gguf_convert", {**CONVERT, "quant": "Q8_0"}, tmp_path / "out", **inputs)
    assert "llama-quantize cannot quantise whole.gguf to Q8_0: error: no such type" in said
    write_program(program, "no program")
    said = refused("gguf_convert", {**CONVERT, "quant": "Q8_0"}, tmp_path / "again", **inputs)
    assert "cannot be run (Exec format error); build it again" in said


def test_a_directory_may_be_named_in_any_way(
    take: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = checkout(tmp_path / "llama.cpp")
    digests = dict(made_with()), take(root), dict(made_with())
    assert digests[0] == {} and digests[2].keys() == {"llamacpp_converter", "llamacpp_binaries"}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BLUT_LLAMA_KIT", str(kit().lib.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to(root)
    for name in (f"{root}/", "~/llama.cpp", str(tmp_path / "link"), f" {root} "):
        take(name)
        assert dict(made_with()) == digests[2], name
        passed = clean_start([]).variables["BLUT_LLAMACPP_DIR"]
        assert Path(passed).is_absolute(), f"{name}: a judge has another home, and starts elsewhere"
    for nothing in ("", "  "):
        take(nothing)
        assert named() is None and made_with() == read_with() == {}
        assert "the pinned kit: $BLUT_LLAMACPP_DIR is not set" in (described() or "")
    assert "BLUT_LLAMACPP_DIR" not in clean_start([]).variables


@pytest.mark.parametrize("place", ["build/bin", "lib", "lib/x86_64-linux-gnu", "."])
def test_an_installed_prefix_will_do(take: Callable[..., None], tmp_path: Path, place: str) -> None:
    root = checkout(tmp_path / "prefix", lib=place, program=False)
    (root / "bin").mkdir()
    (root / "convert_hf_to_gguf.py").rename(root / "bin" / "convert_hf_to_gguf.py")
    take(root)
    own = find_own()
    assert own and own.lib == root / place and own.convert == root / "bin" and own.reads
    (root / "build" / "bin").rmdir() if place != "build/bin" else None
    write_program(root / "bin" / "llama-quantize", "#!/bin/sh\n")
    assert (found := find_own()) and found.quantiser == root / "bin" / "llama-quantize"


def test_every_file_that_is_used_is_a_part_of_the_fingerprint(
    take: Callable[..., None], tmp_path: Path
) -> None:
    root = checkout(tmp_path / "llama.cpp")
    take(root)
    seen = [dict(made_with())]
    for name in ("convert_hf_to_gguf.py", "conversion/llama.py", "gguf-py/gguf/constants.py"):
        with (root / name).open("a") as file:
            file.write("# edited\n")
        seen.append(dict(made_with()))
    assert len({one["llamacpp_converter"] for one in seen}) == 4
    assert len({one["llamacpp_binaries"] for one in seen}) == 1
    for name in ("llama-quantize", "libllama.so", "libggml-cpu.so"):
        with (root / "build" / "bin" / name).open("ab") as file:
            file.write(b"x")
        seen.append(dict(made_with()))
    assert len({one["llamacpp_binaries"] for one in seen}) == 4
    (root / "README.md").write_text("no part of it")
    assert dict(made_with()) == seen[-1]
    assert read_with() == {"llamacpp_binaries": seen[-1]["llamacpp_binaries"]}


def committed(root: Path, *names: str) -> str:
    """Commit files of a checkout; the commit."""

    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(
            ["git", "-C", str(root), *who, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    git("init", "-q")
    git("add", *names)
    git("commit", "-qm", "one")
    return git("rev-parse", "HEAD")


def test_git_says_which_commit_it_is_of(take: Callable[..., None], tmp_path: Path) -> None:
    root = checkout(tmp_path / "llama.cpp")
    take(root)
    commit = committed(root, "convert_hf_to_gguf.py")
    assert (
        (own := find_own())
        and own.commit.describe() == f"commit {commit}"
        and f"commit {commit}" in (described() or "")
    )
    (root / "convert_hf_to_gguf.py").write_text((root / "convert_hf_to_gguf.py").read_text() + "# mine\n")
    assert (own := find_own()) and own.commit.describe() == f"commit {commit} (edited)"
    take(checkout(root / "inner"))
    assert (own := find_own()) and own.commit.describe() == "version 0.5.0", (
        "the commit of a directory around it is not its own"
    )


def test_a_library_that_is_older_than_its_header_is_not_called(
    take: Callable[..., None], tmp_path: Path
) -> None:
    root = checkout(tmp_path / "llama.cpp")
    take(root)
    built = committed(root, "convert_hf_to_gguf.py", "include/llama.h")
    write_program(root / "build" / "bin" / "llama-cli", TELLS.replace(COMMIT[:9], built[:9]))
    (root / "convert_hf_to_gguf.py").write_text((root / "convert_hf_to_gguf.py").read_text() + "# pulled\n")
    pulled = committed(root, "convert_hf_to_gguf.py")
    assert (own := find_own()) and own.commit.describe() == f"commit {pulled}, built of {built[:9]}"
    (root / "include" / "llama.h").write_text((root / "include" / "llama.h").read_text() + "// pulled\n")
    committed(root, "include/llama.h")
    with pytest.raises(BuildError, match=f"built of commit {built[:9]}, and its include/llama.h has changed"):
        described()


def broken(root: Path, *missing: str) -> Path:
    for name in missing:
        path = root / name
        subprocess.run(["rm", "-r", str(path)], check=True)
    return root


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (["convert_hf_to_gguf.py"], "no convert_hf_to_gguf.py is in it"),
        (["gguf-py"], "imports gguf-py/gguf, which is not beside it"),
        (["conversion"], "imports conversion, which is not beside it"),
        (["build", "include"], "no llama-quantize is in build/bin, bin, .: build it: cd"),
        (["build/bin/llama-quantize", "include/llama.h"], "no include/llama.h says how to call it"),
    ],
)
def test_what_is_missing_is_named_with_what_brings_it(
    take: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: list[str], words: str
) -> None:
    root = checkout(tmp_path / "llama.cpp")
    without_kit(monkeypatch, tmp_path)
    take(broken(root, *missing))
    with pytest.raises(BuildError) as error:
        find_own()
    assert str(error.value).startswith(f"$BLUT_LLAMACPP_DIR={root}: ")
    assert words in str(error.value)
    assert any(
        command in str(error.value) for command in ("git clone https", "cmake -B build && cmake --build")
    )


def test_a_program_that_cannot_be_run_and_another_tool_are_refused(
    take: Callable[..., None], tmp_path: Path
) -> None:
    root = checkout(tmp_path / "llama.cpp")
    (root / "build" / "bin" / "llama-quantize").chmod(0o644)
    take(root)
    with pytest.raises(
        BuildError, match=r"llama-quantize is not executable: chmod \+x .*, or build it again"
    ):
        find_own()
    (tmp_path / "other" / "bin").mkdir(parents=True)
    (tmp_path / "other" / "bin" / "make").write_text("")
    take(tmp_path / "other")
    with pytest.raises(BuildError, match=r"no convert_hf_to_gguf.py is in it.*; no llama-quantize is in"):
        find_own()
    take(tmp_path / "typo")
    with pytest.raises(BuildError, match="there is no such directory: git clone"):
        made_with()


def test_a_copy_of_the_kit_needs_no_header(take: Callable[..., None], tmp_path: Path) -> None:
    root = broken(checkout(tmp_path / "llama.cpp", program=False), "include")
    take(root)
    assert (own := find_own()) and own.reads and own.kit().lib == root / "build" / "bin"
    assert own.kit().site == kit().site
    with (root / "build" / "bin" / "libllama.so").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BuildError, match=r"no include/llama\.h says how to call it"):
        find_own()


@pytest.mark.heavy
def test_a_header_without_what_is_needed_is_refused_by_name(
    inputs: dict[str, Path], take: Callable[..., None], tmp_path: Path
) -> None:
    root = checkout(tmp_path / "llama.cpp", program=False)
    header = root / "include" / "llama.h"
    whole = header.read_text()
    take(root)
    header.write_text(whole.replace("llama_model_load_from_file(", "llama_model_load_from_disk("))
    said = refused("gguf_preflight", {"chat": "optional"}, tmp_path / "out", model=inputs["model"])
    assert "this llama.cpp cannot be used: it declares no llama_model_load_from_file" in said
    header.write_text(whole.replace("bool vocab_only;", "bool only_vocab;"))
    said = refused("gguf_preflight", {"chat": "optional"}, tmp_path / "again", model=inputs["model"])
    assert "llama_model_params has no field vocab_only" in said


@pytest.mark.usefixtures("home")
def test_the_doctor_says_which_one_is_used_and_why(take: Callable[..., None], tmp_path: Path) -> None:
    def llamacpp() -> tuple[int, dict[str, str]]:
        shown = CliRunner().invoke(app, ["doctor", "--json"])
        return shown.exit_code, {row["about"]: row for row in json.loads(shown.stdout)}["llama.cpp"]

    assert "the pinned kit: $BLUT_LLAMACPP_DIR is not set" in llamacpp()[1]["found"]
    root = checkout(tmp_path / "llama.cpp")
    take(root)
    status, row = llamacpp()
    assert status == 0 and row["state"] == "ok"
    parts = "convert_hf_to_gguf.py, llama-quantize, libllama.so, version 0.5.0"
    assert row["found"] == f"{root}, because $BLUT_LLAMACPP_DIR names it: {parts}"
    broken(root, "gguf-py")
    status, row = llamacpp()
    assert status == 1 and row["state"] == "broken" and "imports gguf-py/gguf" in row["found"]
