"""Names, dates, telephone and record numbers that stand anywhere in a file are in nothing that leaves it."""

import gzip
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cookbooks.lamquant import data_kinds
from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.formats.edf.content import is_text
from cookbooks.lamquant.formats.edf.recording import BadRecording, ReadOptions, open_edf
from cookbooks.lamquant.formats.lma.archive import read_lma
from cookbooks.lamquant.formats.lml.container import decode_lml
from cookbooks.lamquant.payload import lma_encode
from tests.cookbooks.lamquant.edf_quirks import four, one_odd
from tests.cookbooks.lamquant.edf_writer import Edf, N, Sig, eeg, lists, walk

NAME, GIVEN, BORN, PHONE, CODE = "Quendelheim", "Ottilie", "02-MAY-1951", "0456-778899", "MCH-0234567"
PATIENT = f"{CODE} F {BORN} {GIVEN}_{NAME}"
RECORDING = f"Startdate 17-MAR-2021 EEG-9931 {NAME} Nihon"
SECRETS = re.compile(
    rb"quend|ottil|delheim|02-may|may-1951|19510502|0456-7|778899|4567788|234567|eeg-9931|mar-2021|"
    rb"17\.03\.21|nihon|"
    rb"\xd0\x9a\xd0\xb2\xd0\xb5\xd0\xbd|\xca\xe2\xe5\xed\xe4\xe5\xeb",
    re.IGNORECASE,
)
SAYS = b"+1\x14Ottilie Quendelheim, born 02-MAY-1951\x14"
KIRILL = "Квендельгейм Оттилия".encode()
OLD_KIRILL = KIRILL.decode().encode("cp1251")


def text(raw: bytes) -> Sig:
    return Sig("Cz", content=lambda index: raw.ljust(2 * N, b"\0"))


def in_one_record(raw: bytes) -> Sig:
    return Sig("Cz", content=lambda index: (raw if index == 3 else b"").ljust(2 * N, b"\0"))


def hostile() -> dict[str, Edf]:
    """Files of which each has something of a person in another place."""
    plus: dict[str, Any] = {"reserved": "EDF+C"}
    page = f"{NAME} {PHONE} {CODE} {BORN}\n".encode() * 40
    files = {
        "plain": Edf(four()),
        "EDF+C": Edf([*four(), lists(n=N, texts=[b"", SAYS])], **plus),
        "annotations, NUL": Edf(
            [lists(b"EDF Annotations\0", N, texts=[SAYS] * 6), *four()], reserved="EDF+C"
        ),
        "annotations, space": Edf(
            [lists(" EDF Annotations", N, texts=[SAYS] * 6), *four()], reserved="EDF+C"
        ),
        "text channel": Edf(
            [lists("Annotations", N, unit="uV", texts=[SAYS] * 6), *four()], reserved="EDF+C"
        ),
        "text as Cz": Edf([lists("Cz", N, unit="uV", onsets=[""] * 6, texts=[SAYS] * 6), *four()]),
        "text without lists": Edf([text(f"{GIVEN} {NAME} {PHONE}".encode()), *four()]),
        "short text": Edf([text(GIVEN.encode()), *four()]),
        "text in one record": Edf([in_one_record(NAME.encode()), *four()]),
        "text in other letters": Edf([text(KIRILL), *four()]),
        "list in other letters": Edf([text(b"+0\x14\x14\0+1\x14" + KIRILL + b"\x14\0"), *four()]),
        "list in letters of a code page": Edf(
            [text(b"+0\x14\x14\0+1\x14" + OLD_KIRILL + b"\x14\0"), *four()]
        ),
        "header longer": Edf(four(), header_bytes="1536", between=page[:256]),
        "behind": Edf(four(), tail=page),
        "behind, among zeros": Edf(four(), tail=(b"\0" * 100 + NAME.encode()).ljust(2048, b"\0")),
        "behind, never closed": Edf(four(), tail=page, count="-1"),
        "no signals": Edf(four(), ns_field="0456"),
        "keyed version": Edf(four(), version=b"Quendelh"),
        "duplicate labels": Edf(four(("Fp1", "Fp1", "Fp1", "Fp1"))),
    }
    for field in ("header_bytes", "count", "duration", "version", "ns_field", "reserved"):
        for value in ("Quendel", "04567788", "19510502", "-778899"):
            value = value[: 4 if field == "ns_field" else 8]
            raw = value.encode() if field == "version" else value
            files[f"{field} {value}"] = replace(files["plain"], **{field: raw})
    for field in (
        "label",
        "unit",
        "pmin",
        "pmax",
        "dmin",
        "dmax",
        "ns",
        "transducer",
        "prefilter",
        "reserved",
    ):
        values = ("Quendelh", "Ottilie", b"uV\0Quend", "0456-778", "MCH-0234")
        for value in values:
            files[f"one signal, {field} {value!r}"] = Edf(one_odd(**{field: value}))
            files[f"all signals, {field} {value!r}"] = Edf([replace(one, **{field: value}) for one in four()])
    files["labels say EEG"] = Edf(four(("EEG Fp1", f"EEG {GIVEN}", "EEG 0456-7788", "EEG C4")))
    files["labels are arrays"] = Edf(
        four(("LA1", "Quend1", "OTTIL2", "LA4")), patient=f"{CODE} F {BORN} Ottil_Quend"
    )
    files["labels with junk"] = Edf([eeg(b"Fp1\0Quendelheim", 1), *four()[1:]])
    return {
        name: replace(file, patient=file.patient if "Quend" in str(file.patient) else PATIENT)
        for name, file in files.items()
    }


FILES = {
    name: replace(file, recording=RECORDING, date="17.03.21", time="09.51.00")
    for name, file in hostile().items()
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    for number, file in enumerate(FILES.values()):
        (root / f"{number:03}.edf").write_bytes(file.bytes())
    packed = gzip.compress(FILES["EDF+C"].bytes())
    # the flags of a gzip head that say a name and a comment follow
    head = packed[:3] + bytes([packed[3] | 0x18]) + packed[4:10]
    (root / "zip.edf.gz").write_bytes(head + f"{NAME}.edf\0{PHONE} {BORN}\0".encode() + packed[10:])
    return root


def leaks(*blobs: bytes) -> list[bytes]:
    return [found[0] for blob in blobs for found in SECRETS.finditer(blob)]


def test_the_files_say_what_is_looked_for(source: Path) -> None:
    assert len(FILES) > 100
    assert all(leaks(path.read_bytes()) for path in source.iterdir())


def test_nothing_that_is_said_of_a_file_names_a_person(source: Path) -> None:
    for path in sorted(source.iterdir()):
        for options in (ReadOptions(), ReadOptions(repair="refuse"), ReadOptions(channels=("Oz",))):
            try:
                with open_edf(path, options) as file:
                    said = repr(file) + repr(file.channels) + repr(file.ranges) + repr(file.identity)
            except BadRecording as error:
                said = str(error) + repr(error)
            assert leaks(said.encode()) == [], (path.name, list(FILES)[int(path.name[:3])])


def test_a_number_of_the_patient_field_is_not_quoted(tmp_path: Path) -> None:
    for patient, shown in (("4711 F X X", None), ("X X X X", "4711")):
        (tmp_path / "x.edf").write_bytes(replace(FILES["plain"], patient=patient, count="4711").bytes())
        with open_edf(tmp_path / "x.edf") as file:
            assert [one.found for one in file.repairs] == [shown]


def everything(corpus: Path) -> Iterator[bytes]:
    for path in (one for one in corpus.rglob("*") if one.is_file()):
        yield path.name.encode() + path.read_bytes()
        if path.suffix == ".lma":
            archive = read_lma(path)
            for name in archive.names:
                yield (member := archive.read(name))
                if name.endswith(".lml"):
                    decoded = decode_lml(member)
                    yield json.dumps(decoded.metadata).encode()
                    for row in decoded.digital:
                        yield row.astype("<i2").tobytes()


def test_nothing_of_a_person_reaches_a_corpus_its_work_or_a_log(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out, work = tmp_path / "corpus", tmp_path / "work"
    frozen: dict[str, Any] = {
        "schema": 1,
        "fingerprint": "f",
        "config": {},
        "out": str(out),
        "work": str(work),
    }
    (tmp_path / "c.json").write_text(json.dumps(frozen | {"inputs": {"recordings": str(source)}}))
    monkeypatch.setattr(sys, "argv", ["lma_encode", "--config", str(tmp_path / "c.json")])
    lma_encode.main()

    index = read_corpus(out)
    assert len(index["recordings"]) > 60 and len(index["refused"]) > 10
    assert leaks(*everything(out), *everything(work)) == []
    assert leaks("".join(capfd.readouterr()).encode()) == []


def test_data_add_names_nobody(source: Path) -> None:
    kind = data_kinds.KINDS[0]
    inspection = kind.inspect(source)
    assert inspection.n_problems > 10
    assert leaks("\n".join(inspection.problems).encode()) == []


@pytest.mark.parametrize("offset", [0, 60, 8224, 8270, 12336, 20560, -8000])
@pytest.mark.parametrize("reach", [0, 30, 300, 3000])
def test_samples_are_not_taken_for_text(offset: int, reach: int) -> None:
    """Printable bytes come about by an offset, or where a channel stands still."""
    samples = walk(3, 256, 20, reach or 60) * (reach > 0) + offset
    assert sum(is_text(row.astype("<i2").tobytes(), 2) for row in samples) == 0
