"""Defines typed configs of the LLM assets. Fields in ``HOW`` say how to compute, not what."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from blut_assets.paths import AsPath
from blut_assets.recipes import like
from blut_assets.stages import StageConfig

OnBadRow = Literal["fail", "drop"]
RowFormat = Literal["auto", "text", "prompt_completion", "messages", "sharegpt", "alpaca"]

EXAMPLES = (
    "file of examples (.jsonl, .json, .csv, .parquet, .arrow) or directory of them; or an SQLite database or"
    " chat logs with"
    " conversations; or sample:chatterbot (real support dialogues, downloaded from PyPI)"
)
PREFERENCES = "file of preference pairs (.jsonl, .json, .csv, .parquet, .arrow) or directory of them"
MODEL = (
    "model directory (config.json, safetensors, tokenizer); or model://name@alias or model://name@version, as"
    " registered; or sample:smollm2 or sample:smollm2-2layer"
)

ModelPath = Annotated[str, AsPath(("sample:", "model://"))]


class ExamplesConfig(StageConfig):
    """Says where the examples are; the filters apply to conversations."""

    path: Annotated[str, AsPath(("sample:",))] = Field(description=EXAMPLES)
    read_as: Literal["auto", "examples", "conversations"] = Field(
        "auto", description="auto: a database holds conversations, files hold examples"
    )
    since: str = Field(
        "", description="drop conversations that ended before: 2026-05-01, or 30d, 12h; all if empty"
    )
    min_turns: int = Field(
        2, ge=2, description="drop conversations with fewer messages of user and assistant"
    )
    max_msg_bytes: int = Field(65536, ge=1, description="end a conversation before a longer message")
    drop_errors: bool = Field(True, description="drop exchanges whose answer is an error message")
    on_bad_row: OnBadRow = Field("fail", description="of conversations that cannot be read")


class PreferencesConfig(StageConfig):
    """Says where the preference pairs are."""

    path: Annotated[str, AsPath()] = Field(description=PREFERENCES)


class BaseModelConfig(StageConfig):
    """Names the model to start from."""

    model: ModelPath = Field("sample:smollm2", description=MODEL)


class TeacherModelConfig(StageConfig):
    """Names the model to learn from."""

    model: ModelPath = like(BaseModelConfig, "model")


class DatasetConfig(StageConfig):
    """Says what both kinds of datasets share."""

    on_bad_row: OnBadRow = Field(
        "fail",
        description="fail: refuse the data and list what is wrong; drop: leave such rows out and list them",
    )
    control_tokens: Literal["refuse", "neutralise"] = Field(
        "refuse",
        description="a model's control token inside a text: a bad row, or written so that it is none",
    )
    mixed: Literal["refuse", "accept"] = Field("refuse", description="rows of several formats in one dataset")
    duplicates: Literal["drop", "keep"] = Field("drop", description="rows that say exactly the same")
    seq_len: int = Field(2048, ge=8, description="a row with more tokens is a bad row: it would be cut")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="what the keys of a row are called in the files: {prompt: question, answer: response}",
    )
    named_splits: Literal["keep", "ignore"] = Field(
        "keep",
        description="of a directory with files named train and validation, dev or test: hold out the latter;"
        " or split all rows anew",
    )
    roles: dict[str, str] = Field(
        default_factory=dict, description="other spellings of roles, such as {bot: assistant}"
    )
    consecutive: Literal["refuse", "merge"] = Field(
        "refuse", description="messages of one speaker in a row: a bad row, or joined"
    )


class SftDatasetConfig(DatasetConfig):
    """Says how examples become a dataset."""

    format: RowFormat = Field("auto", description="auto tells the format of each row by its keys")
    learn: Literal["all", "last", "each"] = Field(
        "all", description="of a conversation: all answers, the last, or each in an example of its own"
    )


class PreferenceDatasetConfig(DatasetConfig):
    """Says how preference pairs become a dataset."""


class SftSplitConfig(StageConfig):
    """Says what is held out.

    Rows that say the same, but for case, spaces and punctuation, are never parted.
    """

    HOW: ClassVar[frozenset[str]] = frozenset({"min_eval_rows"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"seed", "min_eval_rows"})

    eval_ratio: float = Field(0.1, gt=0, lt=1, description="share of the rows")
    seed: int = Field(42, ge=0)
    same_prompt: bool = Field(True, description="keep rows with the same prompt on one side")
    same_answer: bool = Field(False, description="keep rows with the same answer on one side")
    min_eval_rows: int = Field(
        0, ge=0, description="say before the training that fewer are held out: a gate will want as many"
    )


class PreferenceSplitConfig(StageConfig):
    """Says what is held out. Pairs that share a prompt or an answer are never parted."""

    HOW: ClassVar[frozenset[str]] = frozenset({"min_eval_rows"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"seed", "min_eval_rows"})

    eval_ratio: float = like(SftSplitConfig, "eval_ratio", description="share of the pairs")
    seed: int = like(SftSplitConfig, "seed")
    min_eval_rows: int = like(SftSplitConfig, "min_eval_rows")
