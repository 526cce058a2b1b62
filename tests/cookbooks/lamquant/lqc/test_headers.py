"""Whatever a header says is read back as it was; bytes that are none are refused by name."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cookbooks.lamquant.lqc.container import layout, text
from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader, Group
from cookbooks.lamquant.lqc.errors import FormatError, LqcError, PayloadError
from cookbooks.lamquant.lqc.plan import placed_in
from cookbooks.lamquant.lqc.varint import MOST, Cursor, put, put_signed
from tests.cookbooks.lamquant.lqc.headers import headers


@settings(max_examples=60, deadline=None)
@given(headers())
def test_a_header_is_read_back_as_it_was(header: FileHeader) -> None:
    data = layout.pack(header)
    parsed = layout.unpack(data + b"what follows", 10**9)
    assert parsed.header == header and parsed.size == len(data)
    assert layout.pack(parsed.header) == data


@settings(max_examples=60, deadline=None)
@given(headers(), st.data())
def test_a_changed_header_is_refused_or_sound(header: FileHeader, data: st.DataObject) -> None:
    """Also where the checksum was made to fit: then it is another header, and can be written as one."""
    body = bytearray(layout.pack(header)[:-4])
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        parsed = layout.unpack(bytes(body) + zlib.crc32(body).to_bytes(4, "little"), 10**6)
    except FormatError:
        return
    assert layout.unpack(layout.pack(parsed.header), 10**6).header == parsed.header


@given(st.integers(0, MOST), st.integers(-(2**62), 2**62 - 1))
def test_integers_are_read_back(one: int, other: int) -> None:
    out = bytearray()
    put(out, one)
    put_signed(out, other)
    cursor = Cursor(out)
    assert (cursor.take("a"), cursor.take_signed("b"), cursor.rest()) == (one, other, b"")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "length runs past the end"),
        (b"\x80", "length runs past the end"),
        (b"\xff" * 9 + b"\x7f", "length has more than 63 bits"),
        (b"\xff" * 12, "length has more than 63 bits"),
        (b"\x08", "length is 8, and must be in 0..7"),
    ],
)
def test_what_is_not_an_integer_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        Cursor(data).take("length", 7)


def text_with(**parts: object) -> bytes:
    packed = text.deflate(parts)
    assert packed
    return packed


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"channels": [{}, {}]}, "channels has 2 values, and must have 1"),
        ({"channels": [{"label": ["a"]}]}, r"channels\[0\].label has 1 values, and must have 2"),
        ({"channels": [{"label": [1, "b"]}]}, r"channels\[0\].label is a int, not a str"),
        ({"channels": [{"physical_min": [True, 1]}]}, "is a bool, not a number"),
        ({"channels": [{"digital_min": [True, 1]}]}, "is a bool, not a int"),
        ({"channels": [{"digital_min": [10**30, 0]}]}, "must be in|four finite numbers"),
        ({"gaps": [[1, 2]]}, r"gaps\[0\] has 2 values, and must have 3"),
        ({"gaps": [[1, 10**400, 0]]}, "too large a number"),
        ({"gaps": [[-1, 1.0, 0]]}, "gap 0: start_sample is -1"),
        ({"gaps": [[1, 1.0, 7]]}, "gap 0: group is 7"),
        ({"annotations": [[]]}, "has 0 fields, and must have 1 to 4"),
        ({"annotations": [[1, -2]]}, "duration -2.0 s"),
        ({"annotations": [[1, None, "", "a name"]]}, "has text"),
        ({"facts": []}, "facts is a list, not a dict"),
    ],
)
def test_text_that_does_not_fit_is_refused(parts: dict[str, object], said: str) -> None:
    group = Group(256, (ChannelFacts(), ChannelFacts()), "exact", 100, 1000)
    start = layout.pack(FileHeader((group,)))
    body = start[7:-4] + text_with(**parts)
    out = bytearray(start[:6])
    put(out, len(body))
    out += body
    with pytest.raises(FormatError, match=said):
        layout.unpack(bytes(out) + zlib.crc32(out).to_bytes(4, "little"), 10**6)


@pytest.mark.parametrize(
    "raw", [b"[1]", b'{"a":NaN}', b'{"facts":' + b"[" * 10**5 + b"]" * 10**5 + b"}", b"\xff", b'{"a":1}x']
)
def test_text_that_is_not_an_object_of_json_is_refused(raw: bytes) -> None:
    packer = zlib.compressobj(wbits=-15)
    with pytest.raises(FormatError, match="text"):
        text.inflate(packer.compress(raw) + packer.flush())


def test_what_a_later_version_adds_to_the_text_is_passed_over() -> None:
    group = Group(256, (ChannelFacts("C3"),), "exact", 100, 1000)
    about = {"channels": [{"label": ["C3"], "colour": ["red"]}], "weather": "fine"}
    assert text.header_of([group], about, False) == FileHeader((group,))


@pytest.mark.parametrize(
    "rows",
    [
        7,
        [[0]],
        [[0, [0, 1, 2]]],
        [[1, [0, 1]]],
        [[2**60, [0, 1]]],
        [[0, [0, -1]]],
        [["x", [0, 1]]],
        [[0, None]],
    ],
)
def test_rows_that_are_said_to_lie_elsewhere_are_refused(rows: object) -> None:
    group = Group(256, (ChannelFacts(), ChannelFacts()), "exact", 100, 1000)
    assert [one.rows.tolist() for one in placed_in([group], {"rows": [[0, [1, 0]]]})] == [[1, 0]]
    with pytest.raises(FormatError, match=r"facts: rows|do not make one signal"):
        placed_in([group], {"rows": rows})


def test_errors_say_where_after_a_process_border() -> None:
    import pickle

    from cookbooks.lamquant.lqc.errors import ChunkError

    error = pickle.loads(pickle.dumps(ChunkError(2, 7, "is damaged")))
    assert isinstance(error, LqcError) and str(error) == "group 2, chunk 7: is damaged" and error.chunk == 7
