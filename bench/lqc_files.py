"""Small valid ``.lqc`` files of every kind, of signals made here, and a model to code them with."""

import io
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.adaptive import fresh_mixture
from cookbooks.lamquant.lqc.chunk import encode_chunk, in_steps
from cookbooks.lamquant.lqc.container.header import Annotation, ChannelFacts, FileHeader, Gap, Group, Profile
from cookbooks.lamquant.lqc.container.writer import Writer
from cookbooks.lamquant.lqc.context import N_FEATURES, IntegerNet
from cookbooks.lamquant.lqc.entropy import EntropyModel
from cookbooks.lamquant.lqc.exact import encode_exact
from cookbooks.lamquant.lqc.jumps import NONE, Baseline, Jumps, pack_jumps
from cookbooks.lamquant.lqc.lapped import analyse, mirrored
from cookbooks.lamquant.lqc.levels import N_DURATIONS, N_LEVELS, N_POSITIONS
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.points import N_KINDS
from cookbooks.lamquant.lqc.spatial import RotationPlan, pack_plan, plan_for
from cookbooks.lamquant.lqc.tokens import N_TABLES, N_TOKENS, starts_from

DIGEST = b"made up!"
HOP = 32


def made_net(hidden: int = 8, seed: int = 0) -> IntegerNet:
    """A network that knows something: its first unit is the mean of the neighbours' logarithms."""
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> NDArray[np.int32]:
        return rng.integers(-60, 60, shape).astype(np.int32)

    net = IntegerNet(
        w1=some(N_FEATURES, hidden),
        position=some(N_POSITIONS, hidden),
        level=some(N_LEVELS, hidden),
        duration=some(N_DURATIONS, hidden),
        w2=some(hidden, hidden),
        b2=some(hidden),
        w3=some(hidden),
        b3=np.array([-64 << 10], np.int32),
    )
    net.w1[[0, 4, 5, 10], 0] = 256
    net.w2[0, 0] = net.w3[0] = 1024
    return net


@cache
def made_model() -> Model:
    """A model that nobody has trained: what it says of a coefficient is wrong, and always the same."""
    starts = starts_from(np.zeros((N_TABLES, N_TOKENS)))
    entropy = EntropyModel(made_net(seed=5), starts, np.stack([starts] * N_KINDS), fresh_mixture())
    return Model(DIGEST, entropy, 0.13, (8, 20), {})


def signal(channels: int, samples: int, seed: int = 0) -> NDArray[np.int32]:
    """Walks that have something in common, [C, T]; the last of several stands still."""
    rng = np.random.default_rng(seed)
    common = np.cumsum(rng.integers(-40, 41, samples))
    x = np.stack([common // (1 + c) + rng.integers(-9, 10, samples) for c in range(channels)])
    if channels > 2:
        x[-1] = 7
    return x.astype(np.int32)


def _channels(x: NDArray[np.int32]) -> tuple[ChannelFacts, ...]:
    return tuple(
        ChannelFacts(
            f"C{i}", "uV", -3276.8, 3276.7, -32768, 32767, "HP:0.1Hz", "AgAgCl", int(row[0]), -32768, 32767
        )
        for i, row in enumerate(x)
    )


def _jumps(n_channels: int) -> list[Jumps]:
    """One channel jumps up and down, the others do not."""
    here = Jumps(np.array([90, 250]), 3, np.array([0, 75]), np.array([70, 2]))
    return [here, *[NONE] * (n_channels - 1)]


def _lapped(x: NDArray[np.int32], model: Model, profile: Profile, known: bool) -> tuple[Group, list[bytes]]:
    n = x.shape[1]
    group = Group(256, _channels(x), "lapped", 10, n if known else None, HOP, profile, model.digest)
    numbers, full = range(group.n_chunks(n)), profile == "full"
    baseline, shared, steps = Baseline(group.per_chunk * HOP, n), RotationPlan(), np.full(len(x), 200)
    if full:
        baseline.hold(1, _jumps(len(x)))
    plain = baseline.off((x - x[:, :1]).astype(np.float64), 0)
    y = analyse(mirrored(plain, 0, 0, group.n_frames(n), n, HOP), HOP)
    if full:
        shared = plan_for(in_steps(y, steps, np.zeros(y.shape[1], np.int8)), 256, 10)
        group = replace(group, shared=pack_plan(shared, len(x)))
    beside = [pack_jumps(baseline.of(i, len(x))) if full else b"" for i in numbers]
    chunks = [
        encode_chunk(y[:, slice(*group.frames(i, n))], steps, 256, model, profile, None, shared).data
        for i in numbers
    ]
    return group, [told + data for told, data in zip(beside, chunks, strict=True)]


def _exact(x: NDArray[np.int32], max_error: int, known: bool) -> tuple[Group, list[bytes]]:
    n = x.shape[1]
    group = Group(100.5, tuple(ChannelFacts() for _ in x), "exact", 150, n if known else None)
    return group, [
        encode_exact(x[:, slice(*group.frames(i, n))], max_error) for i in range(group.n_chunks(n))
    ]


def _file(groups: list[tuple[Group, list[bytes]]], totals: list[int], **more: object) -> bytes:
    out = io.BytesIO()
    header = FileHeader(tuple(group for group, _ in groups), **more)  # type: ignore[arg-type]
    with Writer(out, header) as writer:
        waiting = [list(enumerate(chunks)) for _, chunks in groups]
        while (number := writer.due()) is not None:
            i, data = waiting[number].pop(0)
            last = not waiting[number]
            if i == 1:
                writer.note(annotations=[Annotation(1.5, 0.5, "blink")])
            writer.chunk(number, data, totals[number] if last else None)
    return out.getvalue()


def small_files(model: Model) -> dict[str, bytes]:
    """A file of each kind, by its name."""
    one, four, three = signal(1, 1200), signal(4, 1000, 1), signal(3, 700, 2)
    kinds: dict[str, Callable[[], bytes]] = {
        "lapped full": lambda: _file([_lapped(four, model, "full", True)], [1000]),
        "lapped device, length open": lambda: _file([_lapped(one, model, "device", False)], [1200]),
        "exact": lambda: _file([_exact(three, 0, True)], [700]),
        "bounded error, length open": lambda: _file([_exact(three, 3, False)], [700]),
        "two rates, with all there is to say": lambda: _file(
            [_lapped(four, model, "full", True), _exact(one, 2, True)],
            [1000, 1200],
            gaps=(Gap(300, 2.5), Gap(77, 2.5, 1)),
            annotations=(Annotation(0.25, None, "seizure", "as it was written"),),
            facts={"source": {"patient": "X X X X"}, "rows": [[0, [3, 2, 1, 0]], [1, [0]]]},
            identity=True,
        ),
    }
    return {name: make() for name, make in kinds.items()}
