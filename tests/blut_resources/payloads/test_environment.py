"""A payload computes with what is listed; a key of its user reaches the one process that needs it."""

import pytest

import blut_assets.definitions
import blut_resources.payloads.environment as payload_environment_
from blut_resources.payloads.environment import FETCHING, payload_environment

NEEDED = {
    **{"PATH": "/usr/bin", "HOME": "/home/anna", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "2"},
    **{"CUDA_HOME": "/usr/local/cuda", "NCCL_DEBUG": "INFO", "HF_HOME": "/data/hf", "BLUT_LLAMA_KIT": "/kit"},
    **{"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "TORCH_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
}
SECRET = {
    **{"HF_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "SSH_AUTH_SOCK": "/run/agent", "WANDB_API_KEY": "x"},
    **{
        "BLUT_JUDGE_KEY": "x",
        "BLUT_ALERT_SECRET": "x",
        "GITHUB_PAT": "x",
        "DATABASE_URL": "postgres://a:b@c",
    },
    **{"PIP_INDEX_URL": "https://a:b@index", "HTTPS_PROXY": "http://a:b@proxy", "SLURM_JWT_TOKEN": "x"},
    **{"DBUS_SESSION_BUS_ADDRESS": "x", "HF_HUB_TOKEN": "x", "TORCH_PASSWORD": "x", "PYTHONSTARTUP": "/x.py"},
}


def test_the_settings_of_a_library_are_passed_where_a_cookbook_declares_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert {"TORCH*", "HF_*"} <= set(payload_environment_.declared), blut_assets.definitions.discovered
    there = {"OVEN_HEAT": "220", "OVEN_KEY": "x", "PATH": "/usr/bin"}
    assert payload_environment(there) == {"PATH": "/usr/bin"}
    monkeypatch.setattr(payload_environment_, "declared", ["OVEN_*"])
    assert payload_environment(there) == {"PATH": "/usr/bin", "OVEN_HEAT": "220"}, "and no key"


def test_what_computing_needs_is_passed_and_no_secret() -> None:
    assert payload_environment({**NEEDED, **SECRET}) == NEEDED
    said = {"BLUT_ARG_SEED": "1", "BLUT_ARG_LIMITS__CPUS": "2"}
    assert payload_environment({**NEEDED, **said}) == NEEDED, "that is in its args, or for another recipe"


def test_a_stage_names_what_its_payload_needs_besides() -> None:
    found = payload_environment({**NEEDED, **SECRET}, [*FETCHING, "BLUT_JUDGE_KEY", ""])
    more = ("BLUT_JUDGE_KEY", "PIP_INDEX_URL", "HTTPS_PROXY")
    assert found == {**NEEDED, **{name: SECRET[name] for name in more}}


def test_a_user_can_pass_anything_by_name() -> None:
    asked = {"BLUT_PAYLOAD_ENV": "GITHUB_PAT, AWS_*", "AWS_PROFILE": "lab"}
    found = payload_environment({**SECRET, **asked})
    more = ("GITHUB_PAT", "AWS_SECRET_ACCESS_KEY")
    assert found == {**asked, **{name: SECRET[name] for name in more}}
