"""Leaves a decoder that needs neither Blut nor PyTorch: the format's package, a checkpoint, and a page.

Of a firmware bundle the C sources of the encoder are left beside it.
"""

import json
import shutil
from pathlib import Path

from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant import lqc
from cookbooks.lamquant.codec_command.batch import Failed
from cookbooks.lamquant.device.bundle import MANIFEST, SCHEMA
from cookbooks.lamquant.lqc.model import DESCRIPTION, WEIGHTS, load_model

HERE = "cookbooks.lamquant.lqc"
"""What the package is called here, and nowhere in what is exported."""
THERE = "lqc"
FIRMWARE = "firmware"
README = Path(__file__).with_name("export_readme.md")


def exported(checkpoint: Path, said: str, directory: Path, force: bool) -> list[str]:
    """Write the directory; returns the names of its files.

    Raises:
        Failed: it is there already, and ``force`` does not allow to replace it.
        LqcError: the checkpoint cannot be read, or is of the first version.
    """
    digest = load_model(checkpoint).digest.hex()
    if directory.exists() and not directory.is_dir():
        raise Failed(f"{directory}: is a file")
    if directory.exists() and any(directory.iterdir()):
        if not force:
            raise Failed(f"{directory}: is not empty; --force replaces what is of the same name")
        shutil.rmtree(directory / THERE, ignore_errors=True)
    source = Path(lqc.__file__).parent
    for path in sorted(source.rglob("*.py")):
        text = path.read_text().replace(HERE, THERE)
        _write(directory / THERE / path.relative_to(source), text.encode())
    for name in (DESCRIPTION, WEIGHTS):
        _write(directory / "model" / name, (checkpoint / name).read_bytes())
    for name in _firmware(checkpoint):
        _write(directory / FIRMWARE / name, (checkpoint / name).read_bytes())
    readme = README.read_text().replace("MODEL_NAME", said).replace("MODEL_DIGEST", digest)
    _write(directory / "README.md", readme.encode())
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def _firmware(checkpoint: Path) -> list[str]:
    """Returns the files of a bundle that a program for the device is made of; none of a checkpoint alone."""
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return []
    return [MANIFEST, *sorted(manifest["files"])] if manifest.get("schema") == SCHEMA else []


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, data)
