"""Joins a codec and a controller, and chooses by validation patients from which score on frames are fine.

    python -m cookbooks.lamquant.payload.pipeline_choose --config FILE

Inputs: ``codec``, ``controller``, ``corpus``, and ``labels`` of train and validation patients, and of no
other. Writes an adaptive codec, see `adaptive.codec`.
"""

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.refuse import Refused, refusal
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.adaptive.choosing import Weighed, choose_point
from cookbooks.lamquant.adaptive.codec import FollowingCodec, save_adaptive
from cookbooks.lamquant.adaptive.levels import StateLevels
from cookbooks.lamquant.controller.controller import Controller
from cookbooks.lamquant.formats.corpus import open_corpus
from cookbooks.lamquant.labels.store import INDEX, read_labels
from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.model import load_model
from cookbooks.lamquant.pictures.spending import draw_spending

RATE = "rate"
"""The controller's own operating point for levels, which this one begins at."""


@dataclass(frozen=True)
class ChoiceSettings:
    """Holds what `AdaptiveCodecConfig` says."""

    levels: list[int]
    hold_s: Annotated[float, Bounds(0, 60)] = 5.0
    preroll_s: Annotated[float, Bounds(0, 60)] = 2.0
    failsafe_rms: Annotated[float, Bounds(2, 1000)] = 6.0
    profile: Literal["full", "device"] = "full"


@dataclass(frozen=True)
class ChoiceInputs:
    """Names the inputs."""

    codec: Path
    controller: Path
    corpus: Path
    labels: Path


def main() -> None:
    """Join one codec and one controller."""
    with payload_session() as session:
        settings, inputs = read_config(session, ChoiceSettings), read_inputs(session, ChoiceInputs)
        session.done(**join(session, settings, inputs))


def join(session: PayloadSession, settings: ChoiceSettings, inputs: ChoiceInputs) -> dict[str, Any]:
    """Write the adaptive codec; its facts.

    Raises:
        Refused: the codec was not trained for the levels, or no validation patient has a seizure.
    """
    codec = _joined(settings, inputs)
    corpus, labels = open_corpus(session.inputs), read_labels(inputs.labels)
    if labels.frame_ms != codec.controller.frame_ms:
        raise refusal("frame_s", labels.frame_ms / 1000, "be the controller's", "train it on these labels")
    recordings = {stem: corpus.open(stem) for stem in labels.stems("val")}
    marks = {stem: labels.of(stem) for stem in recordings}
    try:
        best = choose_point(codec, recordings, marks)
    except ValueError as error:
        raise Refused(f"labels: {error}") from error
    digest = sha256((inputs.labels / INDEX).read_bytes()).hexdigest()
    chosen = replace(codec, point=best.point, labels_sha256=digest)
    save_adaptive(session.out, inputs.codec, inputs.controller, chosen, **best.facts())
    picture = session.out / "states.png"
    write_atomic(picture, draw_spending(chosen, recordings, marks))
    session.artifact("states", picture, "image/png")
    return _facts(chosen, best, recordings)


def _joined(settings: ChoiceSettings, inputs: ChoiceInputs) -> FollowingCodec:
    try:
        model, levels = load_model(inputs.codec), StateLevels(tuple(settings.levels))
    except LqcError as error:
        raise Refused(f"codec: {error}") from error
    except ValueError as error:
        raise Refused(str(error)) from error
    low, high = model.levels
    if levels.levels[0] < low or levels.levels[-1] > high:
        raise refusal(
            "levels", settings.levels, f"lie within {low} to {high}, for which the codec was trained",
            "train it with tier all, which is for 8 to 20",
        )  # fmt: skip
    controller = Controller.load(inputs.controller)
    point = replace(
        controller.points[RATE],
        hold_s=settings.hold_s,
        preroll_s=settings.preroll_s,
        failsafe_rms=settings.failsafe_rms,
    )
    return FollowingCodec(model, controller, levels, point, settings.profile)


def _facts(codec: FollowingCodec, best: Weighed, recordings: dict[str, Any]) -> dict[str, Any]:
    states = [codec.decide(one) for one in recordings.values()]
    frames = sum(len(one) for one in states)
    return {
        "model": codec.controller.kind,
        "levels": list(codec.levels.levels),
        "profile": codec.profile,
        "val_rate_advantage": best.measured,
        "val_critical_prdn": best.critical_prdn,
        "val_critical_share": sum(int((one == len(codec.levels.levels) - 1).sum()) for one in states)
        / frames,
        "preroll_bytes": _buffer(codec, recordings),
    }


def _buffer(codec: FollowingCodec, recordings: dict[str, Any]) -> int:
    """Returns the bytes that a device holds back for the pre-roll, at 16 bits a sample."""
    widest = max(len(one.channels) * one.rate_hz for one in recordings.values())
    return int(2 * codec.point.preroll_s * widest)


if __name__ == "__main__":
    main()
