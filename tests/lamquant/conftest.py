"""A small codec with everything that a verdict on it needs, made once."""

import shutil
from typing import Any

import pytest


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three subjects, a codec trained for a moment on the first, its files for the third."""
    from cookbooks.lamquant.formats.corpus import read_corpus
    from cookbooks.lamquant.samples.synthetic import write_synthetic
    from tests.lamquant.test_verdict import REGISTRY, Case, made

    root = tmp_path_factory.mktemp("gate")
    # 128 Hz, so that gamma reaches above Nyquist
    write_synthetic(root / "edf", 3, 40, 5, rate_hz=128, channels=("C3", "C4", "O1"))
    corpus = made(root, "lma_encode", {}, recordings=root / "edf")
    subjects = [entry["subject"] for entry in read_corpus(corpus)["recordings"]]
    named = {f"{name}_subjects": [s] for name, s in zip(("train", "val", "test"), subjects, strict=True)}
    split = made(root, "split_build", named, corpus=corpus)
    windows = made(root, "windows_build", {"window_s": 4.0}, corpus=corpus, split=split)
    candidate = made(root, "joint_train", {"preset": "smoke", "epochs": 1, "threads": 1}, windows=windows)
    case = Case(root / "case")
    for name, source in (
        ("corpus", corpus),
        ("split", split),
        ("windows", windows),
        ("candidate", candidate),
    ):
        shutil.copytree(source, case.root / name)
    for name in ("registry", "bitstreams", "decoded"):
        (case.root / name).mkdir()
    (case.registry / "registry.yaml").write_text(REGISTRY)
    case.code(root)
    return case
