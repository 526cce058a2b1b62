"""Headers of every shape, for tests that take any of them."""

from hypothesis import strategies as st

from cookbooks.lamquant.lqc.container.header import (
    INT32,
    MAX_CHUNK_VALUES,
    MAX_LOG2_HOP,
    MIN_LOG2_HOP,
    Annotation,
    ChannelFacts,
    FileHeader,
    Gap,
    Group,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
DIGITAL = st.integers(*INT32)
TEXT = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FINITE | TEXT,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(TEXT, one, max_size=3),
    max_leaves=6,
)
FACTS = st.dictionaries(TEXT, JSON, max_size=3)
RATES = st.integers(1, 10**9).map(float) | st.floats(1e-6, 1e9)


@st.composite
def channels(draw: st.DrawFn) -> ChannelFacts:
    """A channel with or without a scaling, in any range."""
    low, dc, high = sorted(draw(st.tuples(DIGITAL, DIGITAL, DIGITAL)))
    named = {name: draw(TEXT) for name in ("label", "unit", "prefiltering", "transducer")}
    scaling = {}
    if draw(st.booleans()):
        ends = draw(st.tuples(DIGITAL, DIGITAL).filter(lambda pair: pair[0] != pair[1]))
        physical = draw(st.tuples(FINITE, FINITE))
        scaling = dict(
            zip(
                ("digital_min", "digital_max", "physical_min", "physical_max"),
                (*ends, *physical),
                strict=True,
            )
        )
    return ChannelFacts(**named, **scaling, dc=dc, low=low, high=high, facts=draw(FACTS))


@st.composite
def groups(draw: st.DrawFn) -> Group:
    """A group of either mode and profile, its length known or not."""
    each = tuple(draw(st.lists(channels() | st.just(ChannelFacts()), min_size=1, max_size=4)))
    n_samples = draw(st.none() | st.integers(0, 10**6))
    profile = draw(st.sampled_from(["device", "full"]))
    if draw(st.booleans()):
        per_chunk = draw(st.integers(1, MAX_CHUNK_VALUES // len(each)))
        return Group(draw(RATES), each, "exact", per_chunk, n_samples, 0, profile)
    hop = 2 ** draw(st.integers(MIN_LOG2_HOP, MAX_LOG2_HOP))
    per_chunk = draw(st.integers(1, MAX_CHUNK_VALUES // (len(each) * hop)))
    digest = draw(st.binary(min_size=8, max_size=8))
    shared = draw(st.binary(max_size=200))
    return Group(draw(RATES), each, "lapped", per_chunk, n_samples, hop, profile, digest, shared)


@st.composite
def headers(draw: st.DrawFn) -> FileHeader:
    """A header of one to three groups, with gaps, annotations and facts or without."""
    some = draw(st.lists(groups(), min_size=1, max_size=3))
    seconds = st.floats(1e-9, 1e9)
    gap = st.builds(Gap, st.integers(0, 10**9), seconds, st.integers(0, len(some) - 1))
    identity = draw(st.booleans())
    words = st.none() | TEXT if identity else st.none()
    mark = st.builds(Annotation, FINITE, st.none() | st.floats(0, 1e9), TEXT, words)
    return FileHeader(
        tuple(some),
        tuple(draw(st.lists(gap, max_size=3))),
        tuple(draw(st.lists(mark, max_size=3))),
        draw(FACTS),
        identity,
    )
