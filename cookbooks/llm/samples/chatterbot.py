"""Makes sample dialogues of the English part of the PyPI wheel ``chatterbot-corpus``,
as a file of examples.

Nothing of it is shipped with the project: the wheel is downloaded once, without its dependencies, and its
bytes are compared with a pinned SHA-256.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from blut_resources.payload_kit.pinned import Package
from cookbooks.llm.samples.cache import cache_root, ensure_built, ensure_package, is_built

WHEEL = Package(
    requirement="chatterbot-corpus==1.3.3",
    file="chatterbot_corpus-1.3.3-py2.py3-none-any.whl",
    sha256="86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
)
FOLDER = "chatterbot_corpus/data/english"
FILE = "chatterbot.jsonl"
NOTICE = (
    "Dialogues of chatterbot-corpus 1.3.3, by Gunther Cox and contributors, under a BSD licence (so says its"
    " package classifier; the wheel carries no licence text). https://github.com/gunthercox/chatterbot-corpus"
)
BUILD = 1
"""Raise when the file written changes, so that an older one is replaced."""


@dataclass(frozen=True)
class Dialogues:
    """Selects dialogues of the corpus; no topics means all.

    Only dialogues of one question and one answer are taken: in longer ones it is not told who speaks.
    """

    name: str
    topics: tuple[str, ...] = ()

    @property
    def wanted(self) -> dict[str, Any]:
        """Returns what a finished build was made of."""
        return {"build": BUILD, "wheel": WHEEL.sha256, "topics": list(self.topics)}

    @property
    def folder(self) -> Path:
        """Returns the directory of the finished build."""
        return cache_root() / "samples" / f"{self.name.removeprefix('sample:')}-1.3.3"

    @property
    def built(self) -> bool:
        """Returns True if the file is there, whole."""
        return is_built(self.folder, self.wanted)

    def ensure(self) -> Path:
        """Returns the file of examples, made if need be.

        Raises:
            BuildError: the wheel is not to be had.
        """
        return ensure_built(self.folder, self.wanted, self._build) / FILE

    def _build(self, folder: Path) -> None:
        with zipfile.ZipFile(ensure_package(WHEEL)) as wheel:
            names = sorted(name for name in wheel.namelist() if PurePosixPath(name).match(f"{FOLDER}/*.yml"))
            rows = [
                row
                for name in names
                if not self.topics or PurePosixPath(name).stem in self.topics
                for row in _rows(PurePosixPath(name).stem, yaml.safe_load(wheel.read(name)))
            ]
        (folder / FILE).write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8"
        )
        (folder / "NOTICE.txt").write_text(NOTICE + "\n", "utf-8")


def _rows(topic: str, content: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{topic}-{number}",
            "messages": [
                {"role": "user", "content": said[0].strip()},
                {"role": "assistant", "content": said[1].strip()},
            ],
        }
        for number, said in enumerate(content["conversations"], start=1)
        if len(said) == 2
    ]


SAMPLES = {
    sample.name: sample
    for sample in (
        Dialogues("sample:chatterbot", ("tech_support", "coding")),
        Dialogues("sample:chatterbot-english"),
    )
}
