"""Makes every version by one recipe: code version, config digest, fingerprint.

The code version covers the source that can change an asset's result: its function with everything in the
same project that the function names, the classes that it takes, the payload modules it runs with every module
of the project that they import, what all of these do when they are imported, and the files that they read
from beside themselves. Where a module lives and what it is called is not a part of it, nor what is only said
to a reader, nor the framework: a new Blut must not retrain a codec.
"""

import contextlib
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blut_assets.versions.files import (
    SUMMARY,
    Source,
    Stat,
    note_beside,
    project_of,
    read_note,
    root_path,
    stat_of,
    write_note,
)
from blut_resources.payloads.code import digest_bytes
from blut_resources.payloads.files import PayloadFiles


class CodeEdited(Exception):
    """Says that a file says something else than when the definitions were loaded, and names it."""


def digest_json(value: Any) -> str:
    """Returns 40 hex characters over canonical JSON (a Dagster tag value holds at most 63)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def fingerprint(
    asset: str,
    code_version: str,
    inputs: Mapping[str, str],
    config: Mapping[str, Any],
    partition: str | None = None,
    environment: str | None = None,
) -> str:
    """Returns what a result depends on, in one value:
    two computations with the same one are interchangeable.
    """
    spec = {"asset": asset, "code": code_version, "partition": partition}
    spec |= {"environment": environment} if environment else {}
    return digest_json({**spec, "inputs": dict(inputs), "config": dict(config)})


@dataclass(frozen=True)
class CountedFile:
    """Describes a file that a payload runs or reads, as it was when the definitions were loaded.

    ``module`` is its dotted name, and ``digest`` that of its statements; a file of data has no such name.
    """

    module: str | None
    path: Path
    stat: Stat
    digest: str

    def is_edited(self) -> bool:
        """Returns True if what it says has changed; a touched file or an edited comment has not."""
        return self._bytes() is None

    def bytes_digest(self) -> str:
        """Returns the digest of the file's bytes now. Raises CodeEdited if what it says has changed."""
        data = self._bytes(always=True)
        if data is None:
            what = f"{self.path} changed after the definitions were loaded"
            raise CodeEdited(f"{what}: reload the code location and run again")
        return digest_bytes(data)

    def _bytes(self, always: bool = False) -> bytes | None:
        """Returns what is in the file, if it says the same;
        where its stat stands it is read only if ``always``.
        """
        with contextlib.suppress(OSError, SyntaxError):
            if not always and stat_of(self.path) == self.stat:
                return b""
            data = self.path.read_bytes()
            stat = stat_of(self.path)  # after it was read: what was there before is vouched for
            if stat == self.stat:
                return data
            said = Source(self.path, stat, data).digest if self.module else digest_bytes(data)
            return data if said == self.digest else None
        return None


@dataclass(frozen=True)
class CodeVersion:
    """Holds the digest of an asset's source, and that of each part, so that a change can be named.

    ``payloads`` says which of the counted files each payload module is made of.
    """

    value: str
    parts: Mapping[str, str]
    counted: tuple[CountedFile, ...]
    payloads: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def edited_since_load(self) -> list[str]:
        """Returns payload files that say something else than when the definitions were loaded."""
        return [str(file.path) for file in self.counted if file.is_edited()]

    def files(self, module: str) -> PayloadFiles | None:
        """Returns what a payload is to be started from; None if the module is not a part of this version.

        Raises:
            CodeEdited: if one of its files says something else by now.
        """
        if module not in self.payloads:
            return None
        own = [file for file in self.counted if str(file.path) in self.payloads[module]]
        return PayloadFiles(
            modules={file.module: str(file.path) for file in own if file.module},
            digests={str(file.path): file.bytes_digest() for file in own},
            root=str(project_of(module).base),
        )


def code_version(
    function: Callable[..., Any], payloads: Sequence[str], schema: int, data: Sequence[str] = ()
) -> CodeVersion:
    """Returns the code version of an asset function, the payload modules that it runs,
    and files that are declared.

    ``data`` are paths or patterns relative to the directory of the function's module. The version is
    remembered beside the byte code for as long as every file stands that it was made of, and none is added.

    Raises:
        ModuleNotFoundError: if a payload module does not exist.
        ValueError: if nothing is found for one of ``data``.
    """
    own = inspect.getsourcefile(function)
    if own is None:
        raise OSError(f"no source file for {function.__qualname__}")
    question = [SUMMARY, own, function.__module__, function.__qualname__, list(payloads), schema, list(data)]
    note = note_beside(Path(own), f"{function.__qualname__.replace('<locals>', '')}.blut")
    known = read_note(note, question)
    if known is None or not _stands(known):
        from blut_assets.versions.asset import AssetSource  # not where the note stands

        known = {"of": question, **AssetSource(function, Path(own)).found(payloads, data, schema)}
        write_note(note, known, list(known["stats"].values()))
    counted = tuple(CountedFile(m, Path(path), tuple(stat), said) for m, path, stat, said in known["counted"])
    return CodeVersion(known["value"], known["parts"], counted, known["payloads"])


# A note is believed only if every place that was looked at looks as it did then, absences too: a new file
# that shadows a module, or a new `__init__.py`, changes what an import finds although no counted file has
# changed. Stats do for that where they have settled (`files.write_note`): the time of a file advances in
# steps, and one that is written twice within a step looks as it did.
def _stands(known: Mapping[str, Any]) -> bool:
    """Says whether to look again would find the same."""
    return all(str(root_path(root)) == path for root, path in known["roots"].items()) and all(
        list(stat_of(path)) == stat for path, stat in known["stats"].items()
    )
