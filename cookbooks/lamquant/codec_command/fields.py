"""Turns header fields of an EDF signal into what a .lqc file says of a channel, and back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cookbooks.lamquant.formats.edf.header import integer_of, number_of
from cookbooks.lamquant.lqc.container.header import ChannelFacts

TEXTS = {
    "label": "label",
    "physical dimension": "unit",
    "prefiltering": "prefiltering",
    "transducer": "transducer",
}
"""Fields that a channel has as text, and what they are called there."""
PHYSICAL = {"physical minimum": "physical_min", "physical maximum": "physical_max"}
DIGITAL = {"digital minimum": "digital_min", "digital maximum": "digital_max"}
OTHER = "reserved"
EDF = "edf"
"""Of a channel's facts: the fields that are written otherwise than the rest of it would be."""


def channel_of(raw: Mapping[str, bytes]) -> ChannelFacts:
    """Returns the channel that the fields of a signal describe.

    A field that is not written as a plain text or number is kept beside it as it stands.
    """
    said: dict[str, Any] = {name: text_of(raw[key]) for key, name in TEXTS.items()}
    numbers: dict[str, Any] = {name: number_of(raw[key])[0] for key, name in PHYSICAL.items()}
    numbers |= {name: integer_of(raw[key])[0] for key, name in DIGITAL.items()}
    scaled = None not in numbers.values() and numbers["digital_min"] != numbers["digital_max"]
    said |= numbers if scaled else {}
    channel = ChannelFacts(**said)
    kept = {
        key: as_json(raw[key])
        for key in (*TEXTS, *PHYSICAL, *DIGITAL, OTHER)
        if raw[key].rstrip(b" ") != _plain(channel, key)
    }
    return replace(channel, facts={EDF: kept} if kept else {})


def fields_of(channel: ChannelFacts) -> dict[str, bytes]:
    """Returns the fields of a signal that `channel_of` was given, without the spaces that fill them up."""
    kept = channel.facts.get(EDF, {})
    return {
        key: from_json(kept[key]) if key in kept else _plain(channel, key)
        for key in (*TEXTS, *PHYSICAL, *DIGITAL, OTHER)
    }


def text_of(raw: bytes) -> str:
    """Returns a text as a reader is to see it, of UTF-8 or Latin-1."""
    plain = raw.strip(b" \0")
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return plain.decode("latin-1")


def as_json(raw: bytes) -> str:
    """Returns bytes of a field, without the spaces that fill it up, as text that gives the same ones."""
    return raw.rstrip(b" ").decode("latin-1")


def from_json(text: str) -> bytes:
    """Returns the bytes of `as_json`."""
    return text.encode("latin-1")


def _plain(channel: ChannelFacts, key: str) -> bytes:
    """Returns a field as it is written where nothing else is known of it."""
    if key in TEXTS:
        return getattr(channel, TEXTS[key]).encode()
    if key == OTHER:
        return b""
    value = getattr(channel, (PHYSICAL | DIGITAL)[key])
    return b"" if value is None else number_text(value).encode()


def number_text(value: float) -> str:
    """Returns a number in the eight characters of a field, as exactly as they allow."""
    if value == int(value) and len(str(int(value))) <= 8:
        return str(int(value))
    whole = repr(float(value))
    if len(whole) <= 8:
        return whole
    found = [text for digits in range(8) for kind in "fge" if len(text := f"{value:.{digits}{kind}}") <= 8]
    return min(found, key=lambda text: abs(float(text) - value))
