"""Says which stretches of a file are lost, by time."""

from typing import Any

from cookbooks.lamquant.lqc.decode import Decoder


def lost_in(decoder: Decoder) -> list[dict[str, Any]]:
    """Returns what was read and is lost: the signal, and from when to when, in seconds that were recorded."""
    return [
        {"signal": number, "from_s": start / told.rate_hz, "to_s": stop / told.rate_hz}
        for number, told in enumerate(decoder.signals)
        for start, stop in decoder.damaged_ranges(number)
    ]


def lost_line(lost: dict[str, Any]) -> str:
    """Returns one of them in a sentence."""
    return (
        f"signal {lost['signal']}: {lost['from_s']:g} s to {lost['to_s']:g} s is damaged, and is filled with"
        " each channel's mean"
    )
