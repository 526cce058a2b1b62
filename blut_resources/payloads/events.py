"""Checks what a payload says:
a line of the message file becomes an event of known fields, or a named error.
"""

import json
import math
import sys
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from blut_resources.payload_kit.values import TEXT_MAX
from blut_resources.runs.metrics import INDEX, RESUMED_FROM
from blut_resources.text import one_line, said_of

DEPTH = 64
"""Levels of lists and objects in a message: far below what Python's own recursion allows."""
SHOWN = 80
TAKEN = frozenset({*INDEX, RESUMED_FROM})
"""Names of columns that say whose row it is; a metric with such a name gets a longer one."""
METHODS = (
    *("opened", "closed", "log", "log_external_stream"),
    *("report_custom_message", "report_asset_materialization", "report_asset_check"),
)
_LARGEST = 1 << 63
_FLOAT = int(sys.float_info.max)
"""Whole numbers above the one are taken as floats, and above the other not at all."""


class MessageError(ValueError):
    """Says that what a payload said is not an event; the message names field, value and remedy."""


def _value(value: object) -> object:
    if value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) <= _FLOAT):
        return value
    if isinstance(value, str) and len(value) <= TEXT_MAX and value.isprintable():
        return value
    raise ValueError(
        f"must be a number of at most 64 bits, true, false, null, or a printable text of at most {TEXT_MAX}"
        " characters"
    )


def _name(value: str) -> str:
    if not 0 < len(value) <= 256 or not value.isprintable():
        raise ValueError("must be a name of 1 to 256 printable characters")
    return value


Whole = Annotated[int, Field(ge=0, lt=_LARGEST)]
Epochs = Annotated[
    float,
    Field(ge=0, lt=_LARGEST, allow_inf_nan=False),
    AfterValidator(lambda epochs: int(epochs) if epochs.is_integer() else epochs),
]
"""How many are finished; a fraction for a point of the curves inside one."""
Name = Annotated[str, AfterValidator(_name)]
Path = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
Values = dict[Name, Annotated[Any, AfterValidator(_value)]]


class _Event(BaseModel):
    model_config = ConfigDict(strict=True)

    t: Annotated[float, Field(ge=0, lt=1e11)] | None = None
    """When it was said, in seconds since 1970."""


class _Step(_Event):
    step: Whole
    of: Whole | None = None
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Of the whole work that is done, where steps are unlike."""
    values: Values


class _Epoch(_Event):
    epoch: Epochs
    step: Whole | None = None
    phase: Name = "train"
    metrics: Values


class _Checkpoint(_Event):
    epoch: Whole
    path: Path


class _Artifact(_Event):
    name: Name
    path: Path
    media_type: Name


class _Diverged(_Event):
    message: str


class _Passing(_Event):
    cause: Literal["network", "lock", "full-disk"]
    message: Annotated[str, Field(max_length=4096)]
    after_s: Annotated[float, Field(ge=0, lt=1e9)] = 0.0


class _Uncounted(_Event):
    path: Path


class _Done(_Event):
    facts: dict[str, Any]


EVENTS: dict[str, type[_Event]] = {
    "step": _Step,
    "epoch": _Epoch,
    "checkpoint": _Checkpoint,
    "artifact": _Artifact,
    "diverged": _Diverged,
    "passing": _Passing,
    "uncounted": _Uncounted,
    "done": _Done,
}


def parse(line: bytes) -> tuple[str, dict[str, Any]]:
    """Returns the method and the parameters of one message of the Pipes protocol.

    Raises:
        MessageError: it is none.
    """
    message = _object(_decoded(line), "the line")
    method, params = message.get("method"), message.get("params")
    if method not in METHODS:
        raise MessageError(f"method = {_shown(method)}: must be one of {', '.join(METHODS)}; {_REMEDY}")
    return str(method), _object(params if params is not None or method != "closed" else {}, "params")


_REMEDY = "report through payload_session() or open_dagster_pipes(), and print what is only to be read"


def _decoded(line: bytes) -> Any:
    try:
        text = line.decode()
        value = json.loads(text)
        if "\\ud" in text or "\\uD" in text:  # half of a surrogate pair is no character
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise MessageError(_too_deep(line)) from None
    except ValueError as error:
        words = getattr(error, "reason", None) or getattr(error, "msg", None) or error
        raise MessageError(f"{_shown(line)}: not a message ({words}); {_REMEDY}") from None
    # only a line with that many brackets can be that deep
    if line.count(b"[") + line.count(b"{") > DEPTH and _depth(value) > DEPTH:
        raise MessageError(_too_deep(line))
    return value


def _too_deep(line: bytes) -> str:
    return f"{_shown(line)}: lists or objects within each other, more than {DEPTH} levels; flatten them"


def _depth(value: Any) -> int:
    level, deep = [value], 0
    while level:
        deep += 1
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return deep


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MessageError(f"{what} = {_shown(value)}: must be a JSON object; {_REMEDY}")
    return value


def event_of(said: Any) -> dict[str, Any]:
    """Returns the known fields of an event, out of what a payload's own message holds.

    Raises:
        MessageError: it is not an event.
    """
    payload = _object(said, "payload")
    kind = payload.get("event")
    model = EVENTS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise MessageError(f"event = {_shown(kind)}: must be one of {', '.join(EVENTS)}; {_REMEDY}")
    try:
        model.model_validate(payload)
    except ValidationError as error:
        raise MessageError(_explained(str(kind), error)) from None
    said = {name: payload[name] for name in model.model_fields if name in payload}
    if "values" in said:
        said["values"] = {name: _of_64_bits(value) for name, value in said["values"].items()}
    if "metrics" in said:
        said["metrics"] = _columns(said["metrics"])
    return {"event": kind, **said}


def _columns(metrics: dict[str, Any]) -> dict[str, Any]:
    """Returns metrics as columns of a table can have them, under names that no other column has."""
    found: dict[str, Any] = {}
    for name, value in metrics.items():
        known = name
        while known in TAKEN or (known != name and known in metrics):
            known = f"metric_{known}"
        found[known] = _of_64_bits(value)
    return found


def _of_64_bits(value: Any) -> Any:
    return float(value) if type(value) is int and abs(value) >= _LARGEST else value


def _explained(kind: str, error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False)[0]
    where = ".".join([kind, *(one_line(part, SHOWN) for part in problem["loc"] if part != "[key]")])
    words = said_of(problem)
    if problem["type"] == "missing":
        return f"{where} is missing: say it; {_REMEDY}"
    return f"{where} = {_shown(problem['input'])}: {words}"


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return repr(value[:SHOWN]) + ("..." if len(value) > SHOWN else "")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LARGEST:
        return f"a number of {math.ceil(value.bit_length() * math.log10(2))} digits"
    return one_line(repr(value), SHOWN)
