"""Makes a dataset of raw rows: ``dataset.jsonl``, ``report.json`` and ``learned.md``. No model is loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.refuse import explained
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.llm.chat.control_tokens import control_tokens_in, neutralised
from cookbooks.llm.chat.lengths import Measured, size_of
from cookbooks.llm.chat.masking import Encoded, EncodedPair, encode_pair, encode_row
from cookbooks.llm.chat.preview import preview
from cookbooks.llm.chat.template import MaskError, load_tokenizer, template_of
from cookbooks.llm.data.files import data_files, side_of
from cookbooks.llm.data.formats import KEYS, Normaliser, check_columns
from cookbooks.llm.data.keys import exact_key, opposite_key
from cookbooks.llm.data.preferences import PAIR_KEYS, PreferenceNormaliser
from cookbooks.llm.data.problems import DataError, Problems, RowError
from cookbooks.llm.data.reading import Row, read_rows
from cookbooks.llm.data.roles import check_roles
from cookbooks.llm.models.directory import model_config, text_config

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

PROGRESS = 1000


@dataclass(frozen=True)
class Expected:
    """Says what the source was digested as."""

    n_files: int
    n_bytes: int


@dataclass(frozen=True)
class DatasetSettings:
    """Holds what `SftDatasetConfig` or `PreferenceDatasetConfig` says, and what is to be read."""

    rows: Literal["examples", "preferences"]
    expected: Expected
    on_bad_row: Literal["fail", "drop"]
    control_tokens: Literal["refuse", "neutralise"]
    mixed: Literal["refuse", "accept"]
    duplicates: Literal["drop", "keep"]
    seq_len: Annotated[int, Bounds(1)]
    roles: Mapping[str, str]
    consecutive: Literal["refuse", "merge"]
    columns: Mapping[str, str] = field(default_factory=dict)
    named_splits: Literal["keep", "ignore"] = "keep"
    format: str = "auto"
    learn: Literal["all", "last", "each"] = "all"


@dataclass(frozen=True)
class DatasetInputs:
    """Names the inputs: the rows, and the model or tokenizer that is to read them."""

    source: Path
    base_model: Path


class DatasetMaker:
    """Makes one dataset."""

    def __init__(self, settings: DatasetSettings, inputs: DatasetInputs) -> None:
        self.settings, self.source, self.model = settings, inputs.source, inputs.base_model
        with explained(ValueError):
            check_roles(settings.roles)
            self.pairs = settings.rows == "preferences"
            keys = PAIR_KEYS if self.pairs else [key for found in KEYS.values() for key in found]
            check_columns(settings.columns, keys)
        self.normaliser = Normaliser(
            format=settings.format,
            mixed=settings.mixed == "accept",
            roles=settings.roles,
            consecutive=settings.consecutive,
            columns=settings.columns,
        )
        self.normal = PreferenceNormaliser(self.normaliser) if self.pairs else self.normaliser
        self.problems, self.measured = Problems(), Measured()
        self.seen: dict[str, str] = {}
        self.named = False
        self.n_read = self.n_duplicates = self.n_neutralised = 0

    @cached_property
    def tokenizer(self) -> "Tokenizer":
        """Returns the base model's; not loaded before there is a row that needs it."""
        return load_tokenizer(self.model)

    def run(self, session: PayloadSession) -> dict[str, Any]:
        """Write the dataset and return its report.

        Raises:
            DataError: rows are unusable and ``on_bad_row`` is ``fail``, or none is left.
            MaskError: the model has no tokenizer, or no chat template for conversations.
        """
        self._check_seq_len()
        files = self._files()
        sides = {side_of(path.relative_to(self.source).as_posix()) for path in files if path != self.source}
        self.named = self.settings.named_splits == "keep" and {"train", "eval"} <= sides
        with (session.out / "dataset.jsonl").open("w", encoding="utf-8", newline="\n") as file:
            for item in read_rows(self.source, files):
                self.n_read += 1
                if self.n_read % PROGRESS == 0:
                    session.step(self.n_read, kept=len(self.measured.lengths), unusable=self.problems.total)
                row = self._row(item) if isinstance(item, Row) else self.problems.add(item)
                if row:
                    file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")
        self._judge()
        return self._report()

    def _files(self) -> list[Path]:
        """Returns the source's files, if they are those that were digested."""
        files = data_files(self.source)
        found = Expected(len(files), sum(path.stat().st_size for path in files))
        if found != (expected := self.settings.expected):
            raise DataError(
                f"the examples changed while they were being read: {expected.n_files} files of"
                f" {expected.n_bytes} bytes became {found.n_files} of {found.n_bytes};"
                " let the writer finish, then run again"
            )
        return files

    def _check_seq_len(self) -> None:
        context = text_config(model_config(self.model)).get("max_position_embeddings")
        if isinstance(context, int) and self.settings.seq_len > context:
            raise DataError(
                f"seq_len = {self.settings.seq_len}: the base model reads {context} tokens at most; set"
                f" seq_len to {context} or less"
            )

    def _row(self, item: Row) -> dict[str, Any] | None:
        # the same file under another name gives the same dataset
        single = self.source.is_file()
        place = f"line {item.line}" if single else f"{item.file}:{item.line}"
        try:
            row = self._checked(self.normal(item.value, f"{item.file}:{item.line}"))
            if self.settings.learn != "all" and "messages" in row:
                row["learn"] = self.settings.learn
            if self.named:
                row["split"] = side_of(item.file) or "train"
            if self._is_known(row, place):
                return None
            encoded = self._encoded(row)
        except RowError as error:
            self.problems.add(error.at(item.file, item.line))
            return None
        self.measured.add(place, encoded)
        own = item.value.get("id")
        default = str(item.line) if single else place
        return {"id": str(own) if isinstance(own, str | int) else default, **row}

    def _checked(self, row: dict[str, Any]) -> dict[str, Any]:
        """Returns the row without control tokens in its texts."""
        result, touched = dict(row), False
        for name, value in row.items():
            if isinstance(value, str):
                result[name] = self._text(value, name)
                touched |= result[name] != value
                continue
            result[name] = [
                {**message, "content": self._text(message["content"], f"{name}[{index}].content")}
                for index, message in enumerate(value)
            ]
            touched |= result[name] != value
        self.n_neutralised += touched
        return result

    def _text(self, text: str, where: str) -> str:
        found = control_tokens_in(self.tokenizer, text)
        if not found:
            return text
        if self.settings.control_tokens == "neutralise" and (plain := neutralised(self.tokenizer, text)):
            return plain
        what = f"holds {', '.join(sorted(set(found)))}, which the model reads as a control token"
        remedy = "remove it, or set control_tokens: neutralise"
        if where == "text":
            remedy += "; a conversation is given as messages, and the model's own template is put around it"
        raise RowError("control token", where, what, remedy)

    def _is_known(self, row: dict[str, Any], place: str) -> bool:
        """Says whether a row is in the dataset already and is not to be there twice."""
        if self.pairs and (other := self.seen.get(opposite_key(row))):
            what = f"prefers the other answer than {other} does"
            raise RowError("contradiction", "chosen", what, "keep the one that is meant")
        key = exact_key(row)
        known = key in self.seen
        self.seen.setdefault(key, place)
        self.n_duplicates += known
        return known and self.settings.duplicates == "drop"

    def _encoded(self, row: dict[str, Any]) -> list[Encoded] | EncodedPair:
        if "text" not in row:
            template_of(self.tokenizer)  # without one no row can be used: not a matter of this one
        try:
            encoded = encode_pair(self.tokenizer, row) if self.pairs else encode_row(self.tokenizer, row)
        except MaskError as error:
            where = "text" if "text" in row else "messages"
            raise RowError("chat template", where, str(error), "") from error
        length, limit = size_of(encoded)[0], self.settings.seq_len
        if length > limit:
            what = f"has {length} tokens, more than seq_len = {limit}: the end of the answer would be cut off"
            raise RowError("too long", "row", what, "shorten it, raise seq_len, or set on_bad_row: drop")
        return encoded

    def _judge(self) -> None:
        if self.problems.total and self.settings.on_bad_row == "fail":
            raise DataError(
                f"{self.problems.message()}\nmend them, or set on_bad_row: drop to leave them out"
            )
        if not self.n_read:
            raise DataError("there is not one row in the data: nothing can be learned")
        if not self.measured.lengths:
            raise DataError(f"no row is usable:\n{self.problems.message()}")

    def _report(self) -> dict[str, Any]:
        problems = self.problems.as_dict()
        if self.source.is_file():
            problems["listed"] = [{**one, "file": ""} for one in problems["listed"]]
        return {
            "schema": "blut.dataset_report.v1",
            "rows": self.settings.rows,
            "format": "+".join(sorted(self.normaliser.found)),
            "n_read": self.n_read,
            "n_kept": len(self.measured.lengths),
            "n_dropped": self.problems.total,
            "n_duplicates": self.n_duplicates,
            "n_neutralised": self.n_neutralised,
            "n_merged": self.normaliser.merged,
            "passed_over": dict(sorted(self.normaliser.passed_over.items())),
            "tokens": self.measured.facts(),
            "seq_len": self.settings.seq_len,
            "problems": problems,
        }


def main() -> None:
    """Make the dataset of one session."""
    with payload_session() as session:
        maker = DatasetMaker(read_config(session, DatasetSettings), read_inputs(session, DatasetInputs))
        report = maker.run(session)
        text = json.dumps(report, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
        write_atomic(session.out / "report.json", text.encode())
        write_atomic(session.out / "learned.md", preview(maker.tokenizer, maker.measured.samples()).encode())
        session.done(
            n_examples=report["n_kept"],
            n_dropped=report["n_dropped"],
            n_duplicates=report["n_duplicates"],
            format=report["format"],
            n_tokens=report["tokens"]["total"],
            n_learned_tokens=report["tokens"]["learned"],
            longest=report["tokens"]["longest"],
        )


if __name__ == "__main__":
    main()
