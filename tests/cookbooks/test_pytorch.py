"""What the doctor says of an installed PyTorch where there are GPUs."""

from typing import Any

import pytest

from cookbooks.pytorch import TORCH, TorchUseless, said_of_build


def test_the_installed_build_is_asked_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("BLUT_GPUS", "none")
    assert TORCH.found() == torch.__version__
    monkeypatch.setenv("BLUT_GPUS", "0:24G")
    if torch.version.cuda is None:
        with pytest.raises(TorchUseless, match="is built without CUDA, and 1 GPU is there"):
            TORCH.found()
    elif torch.cuda.is_available():
        assert f"built for CUDA {torch.version.cuda}, sees " in str(TORCH.found())


def test_a_build_that_sees_no_gpu_is_told_beside_the_driver() -> None:
    build: dict[str, Any] = {"built": "13.0", "sees": 2}
    assert said_of_build("2.13.0", build, 2, "x") == "2.13.0, built for CUDA 13.0, sees 2 of 2 GPUs"
    with pytest.raises(
        TorchUseless, match=r"CUDA 13.0 and sees no GPU: the driver is 570, for CUDA up to 12.8"
    ):
        said_of_build("2.13.0", {**build, "sees": 0}, 2, "570, for CUDA up to 12.8")
