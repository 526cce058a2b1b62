"""Reads channel labels: electrodes of the known systems, references, and what is not EEG.

Positions: the 10-20 system (Jasper 1958), 10-10 (Chatrian et al. 1985) and 10-5 (Oostenveld and Praamstra
2001); BioSemi's ``A1`` to ``H32``; EGI's ``E1`` to ``E256``; contacts of depth and grid electrodes, which are
letters and a number (``LA1``, ``A'3``, ``POST1``).
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

PREFIX = re.compile(r"^(S?EEG|iEEG|ECoG|POL)[\s_:.-]+(?=\S)", re.IGNORECASE)
STATES_EEG = re.compile(r"^EEG([\s_:.-]|$|\d|\(sec\))", re.IGNORECASE)
REFERENCES = frozenset(
    re.findall(r"\w+", "REF LE RE AR AV AVE AVG CAR CLE LER ORG A1 A2 M1 M2 A1A2 M1M2 A12 M12")
)
SEPARATOR = re.compile(r"\s*[-:/]\s*|\s+|_")
_NUMBERED_COPY = re.compile(r"(-\d|\s\(\d+\))$")
_POSITION = re.compile(
    r"(N|Fp|AFp|AF|AFF|F|FFT|FFC|FT|FC|FTT|FCC|T|C|TTP|CCP|TP|CP|TPP|CPP|P|PPO|PO|POO|O|OI|I)"
    r"(z|10|[1-9])[hpfa]?'?\.*|(A|M|Sp|Pg|Cb)[12]|T(1|2)",
    re.IGNORECASE,
)
_BIOSEMI = re.compile(r"[A-H](3[0-2]|[12]\d|[1-9])", re.IGNORECASE)
_EGI = re.compile(r"E(25[0-7]|2[0-4]\d|1\d\d|[1-9]\d?)", re.IGNORECASE)
_CONTACT = re.compile(r"([A-Z]{1,5})['p]?0*(\d{1,3})", re.IGNORECASE)
_AUXILIARY = re.compile(
    r"[a-z]{0,5}(e[ck]g|eog|emg)[a-z]{0,6}|erg|mcg|meg|exg|gsr|eda|scr|ppg|dc|vns|ibi|hr|loc|roc|[lr][lu]c|mk|"
    r"osat|sao|spo|[lr]?gnd|ttl|gyr|bip|nibp|ptt|ptaf|(et|tc|tcp|p)co|[bie]i?pap|"
    r"(resp|airflow|nasal|oral|thor|pulse|plet|phot|trig|status|event|mark|stim|burst|suppr|sound|batt|accel|"
    r"cpap|annot|sync|gyro|belt|therm|capno|cannul|effort|oxim|microph|ground|abdom|press)[a-z]{0,12}",
    re.IGNORECASE,
)
_SENSOR = re.compile(
    r"[lrc]?(chin|legs?|arms?|tib|tibant|foot|hand|delt|mass|masset|subm|submen|ment|flex|ext)[lrcz]?|ref|vref|"
    r"abp|icp|cvp|art|co|hum|pos?i|lux",
    re.IGNORECASE,
)
"""Muscles and monitors of a sleep laboratory or a ward: beside a scalp never electrodes, however many."""
_AMBIGUOUS = re.compile(
    r"temp|pos|abd|flow|light|snore|acc|mic|sat|pr|aux|x|e|[lr]at|rip|bp|therm|gy|ch|in|an", re.IGNORECASE
)
"""Sensors of a sleep laboratory, and names of depth electrodes as well: the file's other channels tell."""
_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    abd abdo abdomen abdominal acc accel airflow annot annotation annotations anterior aux battery bdf
    body bpm burst bursts cannula canula chest chin cpap dc ecg edf eeg effort ekg emg eog erg event
    events exg flow gsr heart heog horizontal hr ibi left leg level light loc lower mark marker markers
    mcg meg mic mk movement nasal nasopharyngeal oral oro ox stat osat oxygen ph phot photic plet pleth
    plethysmogram pos position ppg pr pressure pulse rate rectal resp respiration respiratory right roc
    sao saturation sec skin snore snoring sound spo status stim stimulus submental sum suppr sync temp
    temperature therm thermistor thor thoracic thorax tib tibial tibialis trig trigger upper veog
    vertical vns arm larm rarm lleg rleg lchin rchin leog reog lemg remg lat rat rip bp abp icp gnd ttl
    gyro belt etco co spo ptt masseter mass subm tibl tibr
        """,
    )
)
_REGION = re.compile(
    r"[lr]?[amp]?(hip+|amyg?|amg|grid|strip|ins|cing|temp|front|par|occ|orb|ofc|sma|acc|pcc|post|ant|mid|sub|"
    r"inf|sup|lat|med|ent|fus|par?h|her|heschl|thal|cun|prec|prefr|mot|sens)[lr]?"
)
"""Parts of the brain, as depth electrodes are named by them."""
_TOKEN = re.compile(r"[^\s_:/()\[\].,+-]+")
_DATE = re.compile(r"(?<!\d)(\d{1,4}\s?[./]\s?\d{1,4}|\d{1,4}[-_ ]\d{1,2}[-_ ]\d{1,4})(?!\d)")
MOST_OF_A_LABEL, MOST_OF_CONTACTS = 4, 6
"""Digits of a whole label; a pair of contacts can have more, as ``G127-G128``."""
_CORE = REFERENCES | {"EEG", "ECG", "EKG", "EMG", "EOG", "POL", "SEEG"}


class Label(NamedTuple):
    """Holds a label that was taken apart: whether it says EEG, and the names between its separators."""

    text: str
    says_eeg: bool
    parts: tuple[str, ...]


def read_label(text: str) -> Label:
    """Returns a label taken apart; ``EEG Fp1-A2`` says EEG and has the parts ``Fp1`` and ``A2``."""
    plain = " ".join(text.split())
    rest = _NUMBERED_COPY.sub("", PREFIX.sub("", plain))
    parts = tuple(part for part in SEPARATOR.split(rest) if part)
    return Label(plain, bool(STATES_EEG.match(plain)), parts)


def electrode_of(text: str) -> str:
    """Returns the electrode that a label means, in capitals: ``EEG Fp1-A2`` and ``POL Fp1`` are both ``FP1``.

    A pair of two electrodes stays a pair: ``FP1-F7``.
    """
    parts = [part.upper().strip(".") for part in read_label(text.strip()).parts]
    while len(parts) > 1 and parts[-1] in REFERENCES:
        parts.pop()
    return "-".join(parts)


def is_position(part: str) -> bool:
    """Says whether a name is a place on the scalp."""
    return bool(_POSITION.fullmatch(part))


def is_contact(part: str) -> bool:
    """Says whether a name looks like a contact of an array: letters and a number."""
    return bool(_CONTACT.fullmatch(part) or _BIOSEMI.fullmatch(part) or _EGI.fullmatch(part))


def is_auxiliary(part: str) -> bool:
    """Says whether a name is a signal that is not EEG, whatever number follows it."""
    return bool(_AUXILIARY.fullmatch(part.rstrip("0123456789.").rstrip()))


FEW, FEWEST_OF_AN_ARRAY = 8, 3
"""Contacts of one array are mostly more; so many electrodes are in a row of the 10-20 system."""


class Arrays:
    """Holds the arrays of a file: contacts that share their letters.

    ``TEMP4`` is a contact where ``TEMP1`` to ``TEMP3`` and another array stand beside it, or where the file
    has an array and no scalp; in a sleep recording it is a thermometer. ``E1`` and ``E2`` alone are eyes.
    Beside a scalp a word is an array from three contacts on.
    """

    def __init__(self, labels: Sequence[Label]) -> None:
        parts = {part.upper() for label in labels for part in label.parts[:1]}
        every = {part.upper() for label in labels for part in label.parts}
        self._counts = _contacts_by_stem(every)
        rows = _contacts_by_stem(parts)
        pairs = any(
            {f"{row}{left}", f"{row}{right}"} <= parts and rows[row] <= FEW
            for row, left, right in ("C34", "O12", "F34", "P34", "T34", "M12")
        )
        self._has_scalp = (
            pairs
            or any(re.fullmatch(r"FP[12]|[A-Z]{1,2}Z", part) for part in parts)
            or any(
                len(label.parts) > 1
                and is_position(label.parts[0])
                and label.parts[1].upper() in {"A1", "A2", "M1", "M2"}
                for label in labels
            )
        )
        self._has_array = any(self._is_plain_contact(part) for part in parts)

    def has_contact(self, part: str) -> bool:
        """Says whether a name is an electrode, on the scalp or in an array."""
        if is_position(part):
            return True
        if is_auxiliary(part) or not is_contact(part):
            return False
        stem, count = self._stem(part)
        if _SENSOR.fullmatch(stem):
            return self._has_array and not self._has_scalp
        if stem == "E":
            return count >= FEWEST_OF_AN_ARRAY
        if _AMBIGUOUS.fullmatch(stem):
            many = count >= FEWEST_OF_AN_ARRAY
            return (self._has_array and many) if self._has_scalp else (self._has_array or many)
        return self._is_plain_contact(part)

    def is_sensor(self, part: str) -> bool:
        """Says whether a name is a muscle or a monitor beside a scalp, though its label may say EEG."""
        return (
            self._has_scalp and not is_position(part) and bool(_SENSOR.fullmatch(part.rstrip("0123456789")))
        )

    def _is_plain_contact(self, part: str) -> bool:
        """Says whether a name can only be a contact of an array."""
        if is_position(part) or is_auxiliary(part) or not is_contact(part):
            return False
        stem, count = self._stem(part)
        if _SENSOR.fullmatch(stem) or _AMBIGUOUS.fullmatch(stem):
            return False
        return len(stem) <= 2 or count >= FEWEST_OF_AN_ARRAY or not self._has_scalp

    def _stem(self, part: str) -> tuple[str, int]:
        found = _CONTACT.fullmatch(part)
        stem = found[1].upper() if found else ""
        return stem, self._counts[stem]


def _contacts_by_stem(parts: Iterable[str]) -> Counter[str]:
    return Counter(found[1] for part in parts if (found := _CONTACT.fullmatch(part)))


def array_stems(labels: Iterable[str]) -> frozenset[str]:
    """Returns the letters that several contacts share, in small ones: ``rhip`` of ``RHip1`` and ``RHip2``."""
    contacts = {
        token.casefold() for label in labels for token in _TOKEN.findall(PREFIX.sub("", label.strip()))
    }
    found = Counter(match[1] for token in contacts if (match := _CONTACT.fullmatch(token)))
    return frozenset(stem for stem, count in found.items() if count > 1)


def shown_label(text: str, index: int, words: frozenset[str], stems: frozenset[str]) -> str:
    """Returns a label where it is made of known names only, else ``signal 7`` by its index from 0.

    Args:
        words: words and numbers of the identity fields; a name that is one of them is not shown.
        stems: what `array_stems` finds in the file; a longer word with a number is shown if it is one.
    """
    tokens = _TOKEN.findall(text)
    if tokens and not _tells_a_number(text, words) and all(_harmless(one, words, stems) for one in tokens):
        return " ".join(text.split())
    return f"signal {index}"


def _tells_a_number(text: str, words: frozenset[str]) -> bool:
    """Says whether the digits of a label can be a date or a person's number, though each part is short."""
    tokens = _TOKEN.findall(text)
    bare = [token for token in tokens if token.isdigit()]
    digits, of_bare = re.sub(r"\D", "", text), "".join(bare)
    contacts = [token for token in tokens if token not in bare and re.search(r"\d", token)]
    if digits in words or of_bare in words or _DATE.search(text):
        return True
    most = MOST_OF_CONTACTS if len(contacts) <= 2 else MOST_OF_A_LABEL
    return len(bare) > 2 or len(of_bare) > MOST_OF_A_LABEL or len(digits) > most


def _harmless(token: str, words: frozenset[str], stems: frozenset[str]) -> bool:
    letters, number = re.sub(r"[\d'$]", "", token).casefold(), re.sub(r"\D", "", token)
    if number in words:
        return False
    if is_position(token) or token.upper() in REFERENCES or letters.upper() in _CORE:
        return len(number) <= 3
    if len(letters) > 2 and letters in words:
        return False
    stem = _CONTACT.fullmatch(token)
    contact = is_contact(token) and (
        len(letters) <= 2 or (stem and (stem[1].casefold() in stems or _REGION.fullmatch(stem[1].casefold())))
    )
    known = not letters or letters in _WORDS or contact
    return bool(known) and len(number) <= 3 and token.isascii() and token.isprintable()
