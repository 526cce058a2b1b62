"""Looks at what the user brings on every run, and never copies files: the sources."""

import datetime
from pathlib import Path

import dagster as dg

from blut_assets.stages import Footprint, NotYet, Stage, Steps, stage_asset
from blut_resources.payload_kit.cache import MARKER
from blut_resources.payload_kit.pinned import BuildError
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payloads.environment import FETCHING
from cookbooks.llm.artifacts import ExamplesFile, HfModel
from cookbooks.llm.configs.corpus import (
    EXAMPLES,
    MODEL,
    PREFERENCES,
    BaseModelConfig,
    ExamplesConfig,
    PreferencesConfig,
    TeacherModelConfig,
)
from cookbooks.llm.data.chatlogs import read_logs
from cookbooks.llm.data.conversations import FILE, Filters, write_conversations
from cookbooks.llm.data.database import is_database, read_database
from cookbooks.llm.data.files import data_files, unread
from cookbooks.llm.data.problems import DataError, Problems
from cookbooks.llm.data.since import parse_since
from cookbooks.llm.models.directory import TOKENIZER_FILES, ModelDirError, model_facts, model_files
from cookbooks.llm.models.registered import SCHEME, registered_model
from cookbooks.llm.pages.metadata import problem_table
from cookbooks.llm.samples.chatterbot import DIALOGUES, NOTICE
from cookbooks.llm.samples.models import sample_of

BASE_BUILD = "cookbooks.llm.payload.base_build"
NAMED = 5
"""Files that a line of the log names."""
SHOWN = 50
"""Unusable turns that the UI names."""


@stage_asset(cookbook="llm", group="sources", source=True, headline=["n_files", "n_bytes"], kinds={"json"})
def examples(stage: Stage, config: ExamplesConfig) -> ExamplesFile:
    """What the user brings to learn from: examples in files, or conversations.

    Files stay where they are and are digested one by one. Conversations are read out of an SQLite database,
    which is opened read-only, or out of chat logs, and filtered.
    """
    path = _examples_path(stage, config.path)
    conversations = config.read_as == "conversations" or (config.read_as == "auto" and is_database(path))
    try:
        return _conversations(stage, path, config) if conversations else _files(stage, path)
    except (DataError, ValueError) as error:
        raise dg.Failure(f"path {config.path!r}: {error}", allow_retries=False) from error


@stage_asset(cookbook="llm", group="sources", source=True, headline=["n_files", "n_bytes"], kinds={"json"})
def preferences(stage: Stage, config: PreferencesConfig) -> ExamplesFile:
    """Preference pairs in files that stay where they are."""
    try:
        return _files(stage, _existing(config.path, PREFERENCES))
    except DataError as error:
        raise dg.Failure(f"path {config.path!r}: {error}", allow_retries=False) from error


@stage_asset(
    cookbook="llm",
    group="sources",
    payloads=[BASE_BUILD],
    source=True,
    headline=["name", "n_params"],
    kinds={"huggingface"},
    footprint=Footprint(cpus=1, network=1),
)
def base_model(stage: Stage, config: BaseModelConfig) -> Steps[HfModel]:
    """The model to start from, in a directory that stays where it is; weights are safetensors only."""
    return (yield from named_model(stage, config.model))


@stage_asset(
    cookbook="llm",
    group="sources",
    payloads=[BASE_BUILD],
    source=True,
    headline=["name", "n_params"],
    kinds={"huggingface"},
    footprint=Footprint(cpus=1, network=1),
)
def teacher_model(stage: Stage, config: TeacherModelConfig) -> Steps[HfModel]:
    """The model to learn from, as `base_model`."""
    return (yield from named_model(stage, config.model))


def _existing(path: str, what: str) -> Path:
    found = Path(path)
    if not found.exists():
        raise FileNotFoundError(f"path {path!r}: no such file or directory; give a {what}")
    return found


def _examples_path(stage: Stage, path: str) -> Path:
    if not path.startswith("sample:"):
        return _existing(path, EXAMPLES)
    if path not in DIALOGUES:
        raise FileNotFoundError(f"path {path!r} is no known sample: use {', '.join(DIALOGUES)}, or a file")
    sample = DIALOGUES[path]
    stage.show(notice=NOTICE)
    if stage.planning and not sample.built:
        raise NotYet(f"{path} has not been downloaded yet; the first run does that")
    if not stage.planning:
        stage.context.log.info(NOTICE)
    try:
        return sample.ensure()
    except BuildError as error:
        raise dg.Failure(f"path {path!r}: {error}", allow_retries=False) from error


def _files(stage: Stage, path: Path) -> ExamplesFile:
    """The data files under a path, as a reference."""
    files = data_files(path)
    digest = stage.store.put_reference(path, None if path.is_file() else files)
    stage.show(place=str(path))
    if others := unread(path, files):
        stage.show(not_read=dg.MetadataValue.json(others[:SHOWN]))
        stage.context.log.warning(
            f"{len(others)} files under {path} are not read: {', '.join(others[:NAMED])}"
            + (" …" if len(others) > NAMED else "")
        )
    return ExamplesFile(digest=digest, n_files=len(files), n_bytes=sum(file.stat().st_size for file in files))


def _conversations(stage: Stage, path: Path, config: ExamplesConfig) -> ExamplesFile:
    """Conversations, taken out and filtered; what is left is the artifact, so that it can be used again."""
    now = datetime.datetime.now(datetime.UTC)
    since = parse_since(config.since, now) if config.since else None
    filters = Filters(since, config.min_turns, config.max_msg_bytes, config.drop_errors)
    problems = Problems()
    found = read_database(path, problems) if is_database(path) else read_logs(path, problems)
    dropped = write_conversations(found, filters, stage.out, problems, config.on_bad_row)
    # figures that change from day to day stay out of the bytes: unchanged conversations are reused
    stage.show(place=str(path), since=config.since or "all", filters=dg.MetadataValue.json(dropped.as_dict()))
    if problems.total:
        stage.show(unreadable=problem_table(problems.kept[:SHOWN]))
    size = (stage.out / FILE).stat().st_size
    return ExamplesFile(n_files=1, n_bytes=size, n_conversations=dropped.n_kept)


def named_model(stage: Stage, name: str) -> Steps[HfModel]:
    """A model by what the user calls it; it stays where it is.

    Raises:
        dagster.Failure: it is not complete.
        FileNotFoundError: there is none.
    """
    root = Path(name)
    try:
        if name.startswith(SCHEME):
            return registered_model(stage, name)
        if name.startswith("sample:"):
            sample = sample_of(name)
            root = sample.path
            if not sample.built:
                if stage.planning:
                    raise NotYet(f"{name} has not been built yet; the first run builds it")
                yield from stage.run(BASE_BUILD, config={"name": name}, inputs={}, variables=FETCHING)
        return reference_model(stage, root, name)
    except (Refused, ValueError) as error:
        raise dg.Failure(f"model {name!r}: {error}", allow_retries=False) from error


def _of_the_hub(root: Path) -> str:
    """Returns a hint where two words were typed that a working directory has neither of."""
    if root.parent.exists() or not root.parent.parent.is_dir():
        return ""
    return f"; fetch a model of the hub with `hf download {root.parent.name}/{root.name} --local-dir DIR`"


def reference_model(stage: Stage, root: Path, name: str) -> HfModel:
    """A model directory that stays where it is.

    Raises:
        FileNotFoundError: there is none.
        ModelDirError: it is not complete.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"model {name!r} is no directory: give a {MODEL}{_of_the_hub(root)}")
    facts = model_facts(root)
    if not any((root / file).is_file() for file in TOKENIZER_FILES):
        raise ModelDirError(f"{root}: holds no tokenizer; save it beside the model with save_pretrained")
    files = [root / name for name in model_files(root) if name != MARKER]
    digest = stage.store.put_reference(root, files)
    stage.show(place=str(root))
    return HfModel(digest=digest, **facts)
