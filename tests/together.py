"""Several processes of a payload that train together, as Blut starts them, with their events on stdout."""

import os
import subprocess
import sys
from pathlib import Path

from blut_resources.payload_kit.session import CONFIG_ENV
from blut_resources.payloads.files import START, TOGETHER, PayloadFiles

ROOT = Path(__file__).parents[1]


def start(module: str, config: Path, ranks: int) -> subprocess.Popen[str]:
    """So many of them, with the frozen JSON at ``config``."""
    code = config.with_name("code.json")
    code.write_text(PayloadFiles(root=str(ROOT)).told(module))
    command = [sys.executable, "-P", "-u", TOGETHER, str(ranks), START, str(code), module]
    env = {**os.environ, CONFIG_ENV: str(config), "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.Popen(command, text=True, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def workers(pid: int) -> dict[int, int]:
    """The ranks that ``start`` has made, with their process ids."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        for word in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if word.startswith(b"RANK="):
                found[int(word.removeprefix(b"RANK="))] = int(child)
    return found
