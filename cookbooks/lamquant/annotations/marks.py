"""Defines what a source of annotations says of one recording, and how it is refused.

The texts of marks are a stranger's: a name may stand in them. They stay in memory, and no message quotes
anything that a file says, not even a number.
"""

from dataclasses import dataclass
from typing import NamedTuple

CRITICAL, INTERESTING, ARTIFACT = "CRITICAL", "INTERESTING", "ARTIFACT"
BACKGROUND, IGNORED = "BACKGROUND", "IGNORED"
CLASSES = (CRITICAL, INTERESTING, ARTIFACT, BACKGROUND)
"""Classes of events that are kept; what is IGNORED says nothing of the signal."""

EDF_PLUS = "edf+"
FAMILIES = {
    "edf+": (EDF_PLUS,),
    "tuh": ("csv_bi", "csv", "tse_bi", "tse", "rec"),
    "chbmit": ("summary", "seizures"),
    "siena": ("siena",),
    "bids": ("bids",),
}
"""Sources by what ``labels`` calls them, in the order in which they are asked."""

SLACK_S = 1.0
"""Seconds by which a source may differ from the recording, or from another source."""
MOST_MARKS = 200_000
"""Marks of a recording at most."""


class BadSource(Exception):
    """Says what is wrong with a source, in words that quote nothing of it, and what to do."""

    def __init__(self, problem: str, remedy: str = "correct it, or take it away") -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem, self.remedy = problem, remedy


class Marked(NamedTuple):
    """Holds one mark: seconds since the first sample, a duration (None: a point in time), and its text."""

    onset_s: float
    duration_s: float | None
    text: str


class Event(NamedTuple):
    """Holds one classified mark, as it is kept."""

    label: str
    onset_s: float
    duration_s: float
    source: str


@dataclass(frozen=True)
class Reading:
    """Holds what one source says.

    Attributes:
        lists_seizures: whether no seizure in it means that there was none.
    """

    source: str
    marks: list[Marked]
    lists_seizures: bool = False


@dataclass(frozen=True)
class Piece:
    """Describes an entry of the corpus: a stretch of a file without a gap.

    Attributes:
        onset_s: seconds between the first sample of the file and its own.
        rate_hz: samples a second, of a channel.
    """

    stem: str
    onset_s: float
    duration_s: float
    n_samples: int
    rate_hz: float


@dataclass(frozen=True)
class About:
    """Describes the recording that a source is about: its file's name, and its pieces in order.

    Attributes:
        begin_s: the time of the first sample, as the file counts.
    """

    name: str
    pieces: tuple[Piece, ...]
    begin_s: float = 0.0

    @property
    def span_s(self) -> float:
        """Returns the seconds from the first sample to the end of the last one, gaps included."""
        return self.pieces[-1].onset_s + self.pieces[-1].duration_s

    def lasts(self, seconds: float) -> bool:
        """Says whether a stated length is the recording's, with or without its gaps."""
        recorded = sum(piece.duration_s for piece in self.pieces)
        return min(abs(seconds - self.span_s), abs(seconds - recorded)) <= SLACK_S

    def time_of(self, sample: float) -> float:
        """Returns the seconds at which a sample lies; samples are counted as if there was no gap.

        Raises:
            BadSource: it lies after the last one.
        """
        for piece in self.pieces:
            if sample <= piece.n_samples:
                return piece.onset_s + sample / piece.rate_hz
            sample -= piece.n_samples
        if sample / self.pieces[-1].rate_hz <= SLACK_S:
            return self.span_s
        raise BadSource("an event lies after the end of the recording", SHIFTED)


SHIFTED = "see whether it belongs to this recording"


def refuse_outside(mark: Marked, about: About, line: int) -> None:
    """Refuse a mark that lies outside the recording by more than a second: the list may be of another one.

    Raises:
        BadSource: it does.
    """
    end = mark.onset_s + (mark.duration_s or 0.0)
    if mark.onset_s < -SLACK_S or end > about.span_s + SLACK_S:
        raise BadSource(f"line {line} lies outside the recording of {about.span_s:g} s", SHIFTED)
