"""Finds the electrodes of a montage among a recording's channel names."""

from collections.abc import Sequence

from cookbooks.lamquant.formats.edf.labels import electrode_of

_ALIASES = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}
"""Names of the 10-10 system (Chatrian, Lettich & Nelson 1985) and the 10-20 names of the same places."""


class MissingChannels(Exception):
    """Says that a recording cannot fill a montage."""


def electrode(name: str) -> str:
    """Returns the electrode that a channel name means: ``EEG T7-A2`` and ``t3`` are both ``T3``."""
    plain = electrode_of(name)
    return _ALIASES.get(plain, plain)


def select_channels(
    channels: Sequence[str], kept: Sequence[int], montage: Sequence[str] | None
) -> tuple[list[str], list[int]]:
    """Returns names and indices of the channels to use.

    Args:
        channels: the recording's channel names.
        kept: indices that may be used; the others are copies.
        montage: electrodes wanted, in this order, or None for every kept channel as it is named. Two names
            of one place (``T3`` and ``T7``) are one electrode, under the first.

    Raises:
        MissingChannels: electrodes of the montage that are not among the kept channels.
    """
    if montage is None:
        return [channels[index] for index in kept], list(kept)
    places: dict[str, int] = {}
    for index in kept:
        places.setdefault(electrode(channels[index]), index)
    missing = [name for name in montage if electrode(name) not in places]
    if missing:
        copies = sorted(set(range(len(channels))) - set(kept))
        dropped = (
            f", of which {[channels[index] for index in copies]} are left out as copies" if copies else ""
        )
        raise MissingChannels(
            f"channels {missing} are missing; the recording has {list(channels)}{dropped}: take them out of "
            "channels, or leave the recording out"
        )
    names: dict[str, str] = {}
    for name in montage:
        names.setdefault(electrode(name), name)
    return list(names.values()), [places[place] for place in names]
