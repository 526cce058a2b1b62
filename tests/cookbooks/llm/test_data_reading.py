"""Reading rows: what `load_dataset("json")` takes in silence, or without a place, is told with its place."""

import gzip
import json
import sqlite3
from pathlib import Path

import pandas
import pyarrow
import pyarrow.feather
import pytest
import zstandard

from cookbooks.llm.data.files import data_files, unread
from cookbooks.llm.data.problems import DataError, Problem
from cookbooks.llm.data.reading import Row, read_rows

GOOD = '{"text": "good"}'


def read(path: Path, content: bytes | str) -> list[Row | Problem]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows(path))


def problems(path: Path, content: bytes | str) -> list[str]:
    return [str(item) for item in read(path, content) if isinstance(item, Problem)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"text": "caf\xe9"}', "rows.jsonl:2: byte 14: is not UTF-8 (0xE9): save the file as UTF-8"),
        ('{"text": "a"', "rows.jsonl:2: column 13: Expecting ',' delimiter: one complete JSON object a line"),
        ('{"text": NaN}', "rows.jsonl:2: value: NaN is not JSON: write a number, null or a string"),
        ('{"text": -Infinity}', "rows.jsonl:2: value: -Infinity is not JSON"),
        ('{"text": "a", "text": "b"}', "rows.jsonl:2: text: stands twice in one object: keep one of the two"),
        ('{"a": {"b": 1, "b": 2}}', "rows.jsonl:2: b: stands twice in one object"),
        ('["text"]', "rows.jsonl:2: row: is a list, not an object: ['text']"),
        ('"{}"', "rows.jsonl:2: row: is a string, not an object"),
        ('{"text": "\\ud83d"}', "rows.jsonl:2: text: holds half of a surrogate pair"),
        ("[" * 100_000, "rows.jsonl:2: line: "),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(
    tmp_path: Path, content: bytes | str, expected: str
) -> None:
    raw = content if isinstance(content, bytes) else content.encode()
    items = read(tmp_path / "rows.jsonl", f"{GOOD}\n".encode() + raw + f"\n{GOOD}\n".encode())
    assert [item.line for item in items] == [1, 2, 3]
    assert isinstance(items[1], Problem) and str(items[1]).startswith(expected)
    assert isinstance(items[0], Row) and isinstance(items[2], Row)


def test_what_is_harmless_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    content = f'\ufeff{GOOD}\r\n\n  \n{{"text": "line\u2028separator"}}\n{{"text": "\\ud83d\\ude00"}}'
    items = read(path, content)
    assert [(item.line, item.value["text"]) for item in items if isinstance(item, Row)] == [
        (1, "good"),
        (4, "line\u2028separator"),
        (5, "😀"),
    ]
    assert len(items) == 3


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_a_blank_file_is_named(tmp_path: Path, content: str) -> None:
    assert problems(tmp_path / "rows.jsonl", content) == [
        "rows.jsonl:1: file: is empty or blank: remove it or put rows into it"
    ]


def test_an_array_is_read_with_the_line_of_each_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    rows = [{"text": "a"}, {"text": "b", "n": 1}]
    items = read(path, json.dumps(rows, indent=2))
    assert [(item.line, item.value) for item in items if isinstance(item, Row)] == [
        (2, rows[0]),
        (5, rows[1]),
    ]
    items = read(path, '\n[\n{"text": NaN},\n\n{"text": "b"}, 3]\n')
    assert [item.line for item in items] == [3, 5, 5]
    assert isinstance(items[1], Row)
    assert read(path, " [ ] ")[0] == Problem(
        "rows.json", 1, "file", "is empty or blank", "remove it or put rows into it", "empty file"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('[{"a": 1}\n{"b": 2}]', "rows.json:2: array: ',' or ']' is missing"),
        ('[{"a": 1},\n{"b": }]', "rows.json:2: column 7: Expecting value: mend the array"),
        ('[{"a": 1},\n', "rows.json:2: column 1: Expecting value"),
        ('[{"a": 1}]\n[]', "rows.json:1: array: text follows its end"),
        (b'[{"a": 1},\n{"b": "\xff"}]', "rows.json:2: byte 19: is not UTF-8"),
    ],
)
def test_a_broken_array_is_named_by_line(tmp_path: Path, content: bytes | str, expected: str) -> None:
    assert problems(tmp_path / "rows.json", content)[-1].startswith(expected)


def test_json_files_may_hold_lines(tmp_path: Path) -> None:
    items = read(tmp_path / "rows.json", f"{GOOD}\n{GOOD}\n")
    assert [item.line for item in items if isinstance(item, Row)] == [1, 2]


def test_one_object_over_several_lines_is_not_taken_for_broken_rows(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"rows\.json: is one object with its rows under 'data', not rows: write"
    ):
        read(tmp_path / "rows.json", json.dumps({"version": 1, "data": [{"text": "a"}]}, indent=1))


def test_files_of_another_kind_are_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is UTF-16: convert it"):
        read(tmp_path / "a.jsonl", GOOD.encode("utf-16"))
    with pytest.raises(DataError, match=r"packed with gzip: let its name end in \.gz"):
        read(tmp_path / "b.jsonl", gzip.compress(GOOD.encode()))
    with pytest.raises(DataError, match=r"is a Parquet file: let its name end in \.parquet"):
        read(tmp_path / "c.jsonl", b"PAR1....")
    with pytest.raises(DataError, match=r"the suffix is none of \.jsonl"):
        read(tmp_path / "d.txt", "text\nhello\n")
    for order in ("le", "be"):
        with pytest.raises(DataError, match=f"is UTF-16 without a mark: convert it: iconv -f utf-16{order}"):
            read(tmp_path / "a.jsonl", GOOD.encode(f"utf-16{order}"))
    whole = f"{GOOD}\n".encode() * 1000
    for name, packed in (("f.jsonl.gz", gzip.compress(whole)), ("f.jsonl.zst", zstandard.compress(whole))):
        with pytest.raises(DataError, match=f"{name}: cannot be unpacked"):
            read(tmp_path / name, packed[:-9])
    with pytest.raises(DataError, match=r"g\.parquet: cannot be read as a table"):
        read(tmp_path / "g.parquet", b"PAR1....")
    sqlite3.connect(tmp_path / "e.jsonl").execute("CREATE TABLE turns(a)").connection.close()
    with pytest.raises(DataError, match="is an SQLite database: use the recipe finetune_from_conversations"):
        list(read_rows(tmp_path / "e.jsonl"))


TEXTS = ['Hi, "there"\nyou', "caf\u00e9"]
ROWS = [
    {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "a"}]} for text in TEXTS
]


def test_files_of_other_tools_hold_the_same_rows(tmp_path: Path) -> None:
    """Written by pandas, datasets, pyarrow, gzip and zstandard."""
    import datasets

    whole = datasets.Dataset.from_list(ROWS)
    whole.to_parquet(tmp_path / "a.parquet")
    whole.save_to_disk(tmp_path / "saved")
    (tmp_path / "saved" / "cache-1234.arrow").write_bytes(b"what a filter left")
    pyarrow.feather.write_feather(pyarrow.Table.from_pylist(ROWS), str(tmp_path / "a.arrow"))
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(lines[:20]) + zstandard.compress(lines[20:]))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps(ROWS).encode()))
    said = [{"messages": json.dumps(row["messages"])} for row in ROWS]
    pandas.DataFrame(said).to_csv(tmp_path / "a.csv", index=False)
    pandas.DataFrame(said).to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    for name in ("a.parquet", "saved", "a.arrow", "a.jsonl.gz", "a.jsonl.zst", "a.json.gz", "a.csv", "a.tsv"):
        items = list(read_rows(tmp_path / name))
        assert [item.value for item in items if isinstance(item, Row)] == ROWS, name
        assert len(items) == 2
    files = data_files(tmp_path)
    assert len(files) == 8 and not unread(tmp_path / "saved", data_files(tmp_path / "saved"))[1:]


def test_columns_of_plain_text_stay_text(tmp_path: Path) -> None:
    """Also what looks like JSON; and a null in a table is nothing."""
    rows = [{"prompt": "list", "completion": "[1, 2]"}, {"prompt": "object", "completion": '{"a": 1}'}]
    pandas.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False, sep=";")
    assert [item.value for item in read_rows(tmp_path / "a.csv") if isinstance(item, Row)] == rows
    table = pandas.DataFrame([{**rows[0], "text": None}, {"prompt": None, "completion": None, "text": "t"}])
    table.to_parquet(tmp_path / "b.parquet")
    found = [item.value for item in read_rows(tmp_path / "b.parquet") if isinstance(item, Row)]
    assert found == [rows[0], {"text": "t"}]
    (tmp_path / "c.csv").write_text('text,note\nfine,1\n"cut\n')
    assert [str(item) for item in read_rows(tmp_path / "c.csv") if isinstance(item, Problem)]
    (tmp_path / "d.csv").write_text("text,note\nfine,1\nshort\nlast,2\n")
    items = list(read_rows(tmp_path / "d.csv"))
    assert isinstance(items[1], Problem) and str(items[1]).startswith(
        "d.csv:3: row: has another number of cells"
    )
    assert [item.line for item in items] == [2, 3, 4]


def test_a_directory_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/z.json", "a/k.NDJSON", ".hidden.jsonl", ".git/x.jsonl", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(GOOD)
    names = [path.relative_to(tmp_path).as_posix() for path in data_files(tmp_path)]
    assert names == ["a/k.NDJSON", "a/z.json", "b.jsonl"]
    assert [item.file for item in read_rows(tmp_path)] == names
    assert unread(tmp_path, data_files(tmp_path)) == ["notes.txt"]
    (tmp_path / ".git" / "x.jsonl").unlink()
    with pytest.raises(DataError, match=r"holds no \.jsonl, \.ndjson, \.json, .* file"):
        data_files(tmp_path / ".git")


@pytest.mark.parametrize(
    "text",
    [
        f'[{{"text": {"1" * 5000}}}]',
        f'[{{"text": {"[" * 50_000}',
        "{\n" + '"a": ' + "[" * 50_000,
        '\n"a\nb"\n',
        f'{{"text": {"1" * 5000}}}',
    ],
    ids=["digits in an array", "depth in an array", "depth over lines", "no object over lines", "digits"],
)
def test_a_file_of_any_contents_is_a_problem_and_no_crash(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.json").write_text(text)
    found = list(read_rows(tmp_path / "rows.json"))
    assert found and all(isinstance(one, Problem) for one in found)
