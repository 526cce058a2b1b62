"""Who was recorded is in no byte of the store, the home, a log or a message, wherever it stood in the files.

Some seventy files and lists have a name, a birth date, a telephone number and a record number planted, each
in another place. Then data are added and prepared, by hand and by the real recipe, and every byte that is
left is searched: as it stands, in other encodings, inside archives and their samples, and in the rows of
databases.
"""

import base64
import gzip
import json
import os
import re
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cookbooks.lamquant.annotations.vocabulary import SHIPPED_VOCABULARY
from cookbooks.lamquant.formats.edf.recording import open_edf
from cookbooks.lamquant.formats.lma.archive import read_lma
from cookbooks.lamquant.formats.lml.container import decode_lml
from cookbooks.lamquant.payload import annotations_build, lma_encode
from tests.conftest import REPOSITORY
from tests.cookbooks.lamquant.annotations.written import seizures_file
from tests.cookbooks.lamquant.edf_quirks import bdf, four
from tests.cookbooks.lamquant.edf_writer import Edf, N, Sig, eeg, lists
from tests.e2e.box import BLUT

GIVEN, NAME, BRAND = "Xanthippe", "Zwetschkenbaum", "Müßigbräu"
PHONE, CODE = "+43 660 4815162", "MRN-7391-2846"
DATES = ("13-OCT-1947", "13.10.1947", "1947-10-13", "13/10/1947", "19471013")
FRAGMENTS = (
    *("zwetschk", "xanthip", "tschkenb", "oct-1947", "13.10.47", "1947-10-13", "13/10/1947", "19471013"),
    *("13.10.1947", "4815162", "7391-2846", "73912846", "igbräu", "\\u00dfigbr"),
)
ALL = f"{GIVEN}_{NAME} {PHONE} {CODE} " + " ".join(DATES)


def patterns() -> re.Pattern[bytes]:
    """What is looked for: fragments in several encodings, and a name as it looks inside base64 and hex."""
    found = {
        word.encode(code) for word in FRAGMENTS for code in ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
    }
    for word in (GIVEN, NAME, NAME.upper(), NAME.lower(), CODE, PHONE):
        for shift in range(3):
            # the letters at the edges depend on what stands beside
            found.add(base64.b64encode(b"\0" * shift + word.encode())[4:-4].lower())
        found.add(word.encode().hex().encode())
    return re.compile(b"|".join(re.escape(one) for one in sorted(found)))


SECRETS = patterns()


def said(text: str, *, encoding: str = "utf-8", width: int = 2) -> Sig:
    """A channel whose samples are a text."""
    raw = text.encode(encoding)
    return Sig("Oz", content=lambda index: (raw * 20)[: N * width])


def plus(*texts: bytes, label: str | bytes = "EDF Annotations", **more: Any) -> Edf:
    marks = lists(label, N, texts=[b"", *texts], **more)
    return Edf([*four(), marks], reserved="EDF+C")


def tal(text: str, encoding: str = "utf-8") -> bytes:
    return b"+1\x152\x14" + text.encode(encoding)[:60] + b"\x14"


def recordings() -> dict[str, Edf]:
    """Files by a harmless name; each has somebody in another place."""
    whole = Edf(four())
    wide: dict[str, Any] = {"width": 3}
    found = {
        "patient": replace(whole, patient=f"{CODE} F 13-OCT-1947 {GIVEN}_{NAME}"),
        "patient-plain": replace(whole, patient=f"{NAME.upper()}, {GIVEN} *13.10.1947 {PHONE}"),
        "patient-latin": replace(whole, patient=f"X F X {BRAND}"),
        "patient-utf16": replace(whole, patient=NAME.encode("utf-16-le")),
        "patient-nul": replace(whole, patient=f"X\0{NAME}\0{CODE}"),
        "recording": replace(whole, recording=f"Startdate 13-OCT-1947 {CODE} {NAME} {GIVEN}"),
        "start": replace(whole, date="13.10.47", patient=f"X X 13-OCT-1947 {NAME}"),
        "version": replace(whole, version=b"Zwetschk"),
        "reserved": replace(whole, reserved=f"{NAME} 19471013"),
        "reserved-plus": replace(whole, reserved=f"EDF+C {NAME} 4815162"),
        "count": replace(whole, count="4815162"),
        "duration": replace(whole, duration="19471013"),
        "duration-name": replace(whole, duration="Zwetschk"),
        "signals": replace(whole, ns_field="Xant"),
        "header-bytes": replace(whole, header_bytes="73912846"),
        "header-longer": replace(whole, header_bytes="1536", between=(ALL.encode() * 4)[:256]),
        "header-shorter": replace(whole, header_bytes="512"),
        "trailing": replace(whole, tail=ALL.encode() * 30),
        "trailing-utf16": replace(whole, tail=ALL.encode("utf-16") * 30, count="-1"),
        "text-channel": Edf([said(f"{GIVEN} {NAME} {PHONE}\n"), *four()]),
        "text-utf16": Edf([said(f"{GIVEN} {NAME} ", encoding="utf-16-le"), *four()]),
        "text-status": Edf([*four(), replace(said(ALL), label="Status")]),
        "text-unit": Edf([replace(lists("Annotations", N, texts=[tal(ALL)] * 6), unit="uV"), *four()]),
        "tal": plus(tal(f"{GIVEN} {NAME} {PHONE}"), tal(f"seizure of {NAME} *13.10.1947")),
        "tal-latin": plus(tal(BRAND, "latin-1"), tal(CODE)),
        "tal-utf16": plus(tal(NAME, "utf-16-be")),
        "tal-onset": plus(b"+4815162\x14seizure\x14", b"+1\x1519471013\x14spike\x14"),
        "tal-broken": plus(NAME.encode(), b"+x\x14" + CODE.encode() + b"\x14"),
        "tal-label": plus(tal(ALL), label=b" EDF Annotations"),
        "tal-nul": plus(tal(ALL), label=b"EDF Annotations\0"),
        "tal-pair": plus(tal("seizure start"), tal(NAME)),
        "label-split": Edf(four(("Xanthippe", "Zwetschkenbaum", "C3", "C4"))),
        "label-eeg": Edf(four(("EEG Zwetschk", "EEG 4815162", "EEG C3", "EEG MRN73912846"))),
        "label-latin": Edf(four((BRAND, "13.10.1947", "C3", "C4"))),
        "label-junk": Edf(four((b"Fp1\0Zwetschkenba", "Fp2", "C3", "C4"))),
        "label-spaces": Edf(four(("Z w e t s c h k", "xanthippe_zwet", "ZWETSCHKENBAUM", "C4"))),
        "bdf": Edf(bdf(), **wide, patient=f"{CODE} F 13-OCT-1947 {GIVEN}_{NAME}", reserved="24BIT"),
        "bdf-label": Edf([*bdf()[:3], replace(bdf()[3], label=NAME)], **wide, reserved="24BIT"),
        "bdf-tal": Edf(
            [*bdf(), lists("BDF Annotations", N, 3, texts=[b"", tal(ALL)])], **wide, reserved="BDF+C"
        ),
        "bdf-text": Edf([replace(said(ALL, width=3), dmin="-8388608", dmax="8388607"), *bdf()], **wide),
    }
    for field in ("unit", "pmin", "pmax", "dmin", "dmax", "ns", "transducer", "prefilter", "reserved"):
        for number, value in enumerate(("Zwetschk", "73912846")):
            odd = [replace(four()[0], **{field: value}), *four()[1:]]
            found[f"{field}-{number}"] = replace(whole, signals=odd)
    # the header of somebody stands in each of them
    return {
        name: file if "patient" in name else replace(file, patient=f"{CODE} F 13-OCT-1947 {GIVEN}_{NAME}")
        for name, file in found.items()
    }


def plant(root: Path) -> None:
    for name, file in recordings().items():
        path = root / ("bdf" if file.width == 3 else "edf") / f"{name}.{'bdf' if file.width == 3 else 'edf'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.bytes())
    packed = gzip.compress(Edf(four(), patient=f"X X X {NAME}").bytes())
    head = packed[:3] + bytes([packed[3] | 0x18]) + packed[4:10]
    (root / "edf" / "packed.edf.gz").write_bytes(head + f"{NAME}.edf\0{ALL}\0".encode() + packed[10:])
    _plant_lists(root / "lists")


def _plant_lists(folder: Path) -> None:
    """Recordings of nobody, beside which lists tell who it was."""
    folder.mkdir()
    for number, name in enumerate((*(f"t{n}" for n in range(9)), "PN00-1", "sub-01_eeg", "sub-02_eeg")):
        (folder / f"{name}.edf").write_bytes(
            Edf([eeg(f"C{n}", 90 + 4 * number + n) for n in (1, 2, 3, 4)]).bytes()
        )
    head = f"# version = csv_v1.0.0\n# bname = {NAME}\n# duration = 6.0 secs\n# {ALL}\n"
    rows = "channel,start_time,stop_time,label,confidence\n"
    lists_ = {
        "t0.csv_bi": f"{head}{rows}{NAME},0,3,seiz,1\n",
        "t1.csv": f"{head}{rows}TERM,0,3,{NAME},1\nTERM,3,4,{CODE},1\n",
        "t2.csv_bi": f"{head}{rows}TERM,4815162,19471013,seiz,1\n",
        "t7.csv_bi": f"{head}{rows}TERM,{NAME},{PHONE},seiz,1\n",
        "t8.csv_bi": f"# duration = {PHONE}\n{rows}TERM,0,3,seiz,{CODE}\n",
        "t3.tse": f"version = tse_v1.0.0\n0 6 {NAME} 1\n",
        "t4.rec": f"{NAME},0,1,6\n1,2,3,{PHONE}\n",
        "t5-summary.txt": f"{ALL}\nFile Name: t5.edf\nNumber of Seizures in File: {CODE}\n",
        "Seizures-list-PN00.txt": f"{ALL}\nFile name: PN00-1.edf\nRegistration start time: {DATES[1]}\n",
        "sub-01_events.tsv": f"onset\tduration\ttrial_type\tnote\n1\t2\t{NAME}\t{ALL}\n",
        "sub-02_events.tsv": f"onset\tduration\ttrial_type\t{NAME}\n1\t2\tspike\t{ALL}\n",
        "participants.tsv": f"participant_id\tname\tbirth\nsub-01\t{NAME}\t{DATES[2]}\n",
        "participants.json": json.dumps({"name": ALL}),
        "sub-01_eeg.json": json.dumps({"InstitutionName": ALL}),
        "README": ALL,
    }
    for name, text in lists_.items():
        (folder / name).write_text(text)
    aux = seizures_file([(64, 128)], resolution="64")
    (folder / "t6.edf.seizures").write_bytes(aux.replace(b"time", NAME.encode()[:4]) + ALL.encode())


def forms(data: bytes, depth: int = 2) -> Iterator[bytes]:
    """The bytes as they stand, and what is compressed in them."""
    yield data.lower()
    if depth:
        for found in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|\x28\xb5\x2f\xfd", data):
            if inside := _inflated(data[found.start() :]):
                yield from forms(inside, depth - 1)


def _inflated(data: bytes) -> bytes:
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        import zstandard

        try:
            return zstandard.ZstdDecompressor().decompressobj().decompress(data)
        except zstandard.ZstdError:
            return b""
    try:
        return zlib.decompressobj(47).decompress(data, 1 << 24)
    except zlib.error:
        return b""


def contents(path: Path) -> Iterator[bytes]:
    """All that is in a file, in every way in which it can be read."""
    data = path.read_bytes()
    yield from forms(data)
    yield path.name.encode().lower()
    if path.suffix == ".lma":
        archive = read_lma(path)
        for member in (archive.read(name) for name in archive.names):
            yield from forms(member)
            if member.startswith(b"LML"):
                decoded = decode_lml(member)
                yield json.dumps(decoded.metadata, ensure_ascii=False).encode().lower()
                for row in decoded.digital:
                    yield row.astype("<i2").tobytes().lower()
                    yield row.astype("<i4").view("u1").reshape(-1, 4)[:, :3].tobytes().lower()
    if data.startswith(b"SQLite format 3"):
        # a text may lie on two pages of the file
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            yield "\n".join(database.iterdump()).encode(errors="replace").lower()


def leaks(*places: Path) -> list[str]:
    found = []
    for place in places:
        for path in sorted(one for one in place.rglob("*") if one.is_file() and not one.is_symlink()):
            if path.parent == place / "store" / "stat":  # numbers of files alone, any of which may be times
                continue
            for data in contents(path):
                for match in SECRETS.finditer(data):
                    around = data[max(0, match.start() - 80) : match.end() + 40]
                    found.append(f"{path.relative_to(place)}: {around!r}")
    return found


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("planted")
    plant(root)
    return root


def test_the_search_finds_what_was_planted(planted: Path, tmp_path: Path) -> None:
    assert len(recordings()) > 50
    found = {line.partition(":")[0] for line in leaks(planted)}
    named = {str(path.relative_to(planted)) for path in planted.rglob("*") if path.is_file()}
    innocent = {f"lists/{name}.edf" for name in (*(f"t{n}" for n in range(9)), "PN00-1")}
    assert named - found == innocent | {f"lists/sub-0{n}_eeg.edf" for n in (1, 2)}
    for number, data in enumerate(
        (gzip.compress(ALL.encode()), ALL.encode("utf-16"), base64.b64encode(ALL.encode()))
    ):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / "file").write_bytes(b"begin" + data)
        assert leaks(tmp_path / "one"), number


def test_nobody_is_in_what_the_payloads_write_or_say(
    planted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(module: Any, name: str, config: dict[str, Any], **inputs: Path) -> Path:
        places = {"out": str(tmp_path / "made" / name), "work": str(tmp_path / "made" / f"{name}-work")}
        named = {key: str(path) for key, path in inputs.items()}
        frozen = {"schema": 1, "fingerprint": "f", "config": config, "inputs": named, **places}
        (tmp_path / f"{name}.json").write_text(json.dumps(frozen))
        monkeypatch.setattr(sys, "argv", [name, "--config", str(tmp_path / f"{name}.json")])
        module.main()
        return tmp_path / "made" / name

    corpus = run(lma_encode, "corpus", {}, recordings=planted)
    for unknown in ("refuse", "interesting"):
        marks = {
            "vocabulary": SHIPPED_VOCABULARY.read_text(),
            "lists": sorted(f"lists/{path.name}" for path in (planted / "lists").iterdir()),
            "unknown": unknown,
        }
        made = run(
            annotations_build, f"marks-{unknown}", marks, corpus=corpus, recordings=planted, lists=planted
        )
        counts = json.loads((made / "annotations.json").read_text())["counts"]
        assert counts["n_annotated"] + counts["n_refused"] > 15
    assert leaks(tmp_path / "made") == []
    (tmp_path / "said").mkdir()
    (tmp_path / "said" / "printed").write_text("".join(capfd.readouterr()))
    assert leaks(tmp_path / "said") == []


@pytest.mark.heavy
def test_nobody_is_in_a_home_after_data_were_added_and_prepared(planted: Path, tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    environment = {
        **os.environ,
        **{"DAGSTER_HOME": str(home), "TMPDIR": str(temporary), "BLUT_LEASES": str(temporary / "leases")},
    }
    environment.pop("BLUT_STORE", None)

    def blut(*args: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run([*BLUT, *args], cwd=REPOSITORY, env=environment, capture_output=True)
        (tmp_path / "said" / f"{len(list((tmp_path / 'said').iterdir()))}.log").write_bytes(
            done.stdout + done.stderr
        )
        return done

    (tmp_path / "said").mkdir()
    args = json.dumps({"edf_root": str(planted), "workers": 1})
    assert blut("data", "add", "people", str(planted)).returncode == 1
    assert blut("data", "add", "people", str(planted), "--accept-bad").returncode == 0
    blut("data", "show", "people")
    blut("data", "check", "people")
    blut("plan", "lamquant_data_prep", "--args", args)
    ran = blut("recipe", "run", "lamquant_data_prep", "--args", args)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    blut("jobs")
    assert leaks(home, temporary, tmp_path / "said") == []
    assert list(home.rglob("*.lma")) and list(home.rglob("annotations.json"))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"dmax": "4815162"}, "not one that a sample can have"),
        ({"dmin": "-1947101"}, "not one that a sample can have"),
        ({"pmax": "73912846"}, "a number that names the patient"),
    ],
)
def test_a_range_that_is_somebodys_number_costs_the_channel(
    tmp_path: Path, more: dict[str, str], says: str
) -> None:
    odd = Edf([replace(four()[0], **more), *four()[1:]], patient=f"{CODE} F X X")  # type: ignore[arg-type]
    (tmp_path / "a.edf").write_bytes(odd.bytes())
    with open_edf(tmp_path / "a.edf") as file:
        assert file.channels == ["Fp2", "C3", "C4"]
        assert says in file.left_out[0].reason
