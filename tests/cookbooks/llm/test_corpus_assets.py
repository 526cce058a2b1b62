"""Sources and corpus through Dagster, as the UI and the command line run them."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.history.planning import plan
from blut_assets.stages.handles import HANDLES
from blut_assets.stages.spec import spec_of
from blut_resources.instance.instance import store_of
from cookbooks.llm.configs.corpus import BaseModelConfig, ExamplesConfig, SftDatasetConfig
from cookbooks.llm.corpus import preference_dataset, preference_split, sft_dataset, sft_split
from cookbooks.llm.sources import base_model, examples, preferences
from tests.cookbooks.llm.outcomes import failure, metadata
from tests.cookbooks.llm.rows_support import GREETING, ask, read_rows, smollm2, write_rows

SFT = [examples, base_model, sft_dataset, sft_split]
DPO = [preferences, base_model, preference_dataset, preference_split]


@pytest.fixture
def instance(home: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(home))


def run(
    instance: dg.DagsterInstance, assets: list[dg.AssetsDefinition], **configs: dict[str, Any]
) -> dg.ExecuteInProcessResult:
    ops = dict(configs)
    if base_model in assets and "base_model" not in ops:
        smollm2()
        ops["base_model"] = {"model": "sample:smollm2-2layer"}
    return dg.materialize(
        assets,
        instance=instance,
        resources={"blut_handles": HANDLES},
        run_config={"ops": {f"llm__{name}": {"config": config} for name, config in ops.items()}},
        raise_on_error=False,
    )


def bytes_of(instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult, name: str) -> Path:
    return store_of(instance).open(metadata(result)[name]["artifact"]["digest"])


@pytest.mark.slow
def test_examples_become_a_dataset_and_a_split(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    rows = [{"messages": GREETING}, *(ask(f"Question {n}", f"Answer {n}") for n in range(30)), ask("q", "")]
    path = write_rows(tmp_path / "mine" / "rows.jsonl", rows)
    config = {"examples": {"path": str(path)}, "sft_dataset": {"on_bad_row": "drop"}}
    first = run(instance, SFT, **config, sft_split={"min_eval_rows": 11})
    assert first.success
    few = "3 of 31 rows are held out, and the gate wants min_eval_rows = 11"
    assert [
        one
        for one in instance.all_logs(first.run_id)
        if few in one.user_message and "0.36" in one.user_message
    ]
    facts = metadata(first)["sft_dataset"]
    assert (facts["n_examples"], facts["n_dropped"], facts["format"]) == (31, 1, "messages")
    assert "⟦Hello!<|im_end|>⟧" in facts["what_will_be_learned"]
    assert facts["left_out"].records[0].data["problem"] == "the answer is empty"
    assert facts["left_out"].records[0].data["place"] == "line 32"
    assert facts["counts"]["problems"] == {"control token": 0, "empty answer": 1, "role": 0, "too long": 0}
    split = bytes_of(instance, first, "sft_split")
    train, held = read_rows(split / "train.jsonl"), read_rows(split / "eval.jsonl")
    assert (len(train), len(held)) == (28, 3)
    assert sorted(row["id"] for row in train + held) == sorted(str(n) for n in range(1, 32))
    assert json.loads((split / "split.json").read_text())["n_groups"] == 31

    # the same file in another place, under another name: nothing is computed again
    other = tmp_path / "other.jsonl"
    other.write_bytes(path.read_bytes())
    again = run(instance, SFT, **{**config, "examples": {"path": str(other)}})
    assert [metadata(again)[name]["reused"] for name in ("sft_dataset", "sft_split")] == [True, True]
    write_rows(other, [*rows, ask("One", "more")])
    changed = run(instance, SFT, **{**config, "examples": {"path": str(other)}})
    assert metadata(changed)["sft_dataset"]["n_examples"] == 32
    assert not metadata(changed)["sft_dataset"]["reused"]


@pytest.mark.slow
def test_bad_rows_fail_the_run_with_a_message_for_a_person(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    rows = [ask("q", "a"), {"messages": "[]"}, ask("q", "")]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    message = failure(run(instance, SFT, examples={"path": str(path)}))
    assert "rows.jsonl:2: messages: is a string, not a list: it holds JSON: write it without" in message
    assert "rows.jsonl:3: messages[1].content: the answer is empty" in message
    assert "mend them, or set on_bad_row: drop" in message and "Traceback" not in message


@pytest.mark.slow
def test_pairs_become_a_dataset_and_a_split(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    pairs = [{"prompt": f"p{n}", "chosen": f"good {n // 2}", "rejected": f"poor {n}"} for n in range(20)]
    path = write_rows(tmp_path / "pairs.jsonl", pairs)
    result = run(instance, DPO, preferences={"path": str(path)})
    assert result.success
    assert metadata(result)["preference_dataset"]["n_pairs"] == 20
    facts = metadata(result)["preference_split"]
    assert (facts["n_train"], facts["n_eval"], facts["n_groups"]) == (18, 2, 10)
    held = read_rows(bytes_of(instance, result, "preference_split") / "eval.jsonl")
    assert len({row["chosen"][0]["content"] for row in held}) == 1


def chats(path: Path, *times: str) -> Path:
    """A database with a conversation at each of these times."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE turns(conversation_id, timestamp, role, content)")
        for time in times:
            turns = [(time, time, role, f"{role} at {time}") for role in ("user", "assistant")]
            connection.executemany("INSERT INTO turns VALUES (?, ?, ?, ?)", turns)
    connection.close()
    return path


def test_conversations_come_out_of_a_database(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    path = chats(tmp_path / "chats.db", "2026-05-01", "2026-05-02", "2026-01-01")
    before = path.read_bytes()
    result = run(instance, [examples], examples={"path": str(path), "since": "2026-04-01"})
    facts = metadata(result)["examples"]
    assert (facts["n_conversations"], facts["filters"]["conversations_by_since"]) == (2, 1)
    rows = read_rows(bytes_of(instance, result, "examples") / "conversations.jsonl")
    assert [row["id"] for row in rows] == ["2026-05-01", "2026-05-02"]
    assert path.read_bytes() == before and list(tmp_path.glob("chats.db-*")) == []
    # what a filter drops is no part of the artifact: the dataset below is reused
    fewer = chats(tmp_path / "fewer.db", "2026-05-02", "2026-05-01")
    other = run(instance, [examples], examples={"path": str(fewer), "since": "2026-04-02"})
    assert metadata(other)["examples"]["artifact"]["digest"] == facts["artifact"]["digest"]
    config = ExamplesConfig(path=str(path), since="2026-04-01")
    (planned,) = plan(instance, [examples], {examples.key: config})
    assert planned.reason == "looked at on every run; its bytes are unchanged"


def test_conversations_come_out_of_logs(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    write_rows(tmp_path / "logs" / "a.jsonl", GREETING)
    write_rows(tmp_path / "logs" / "b.jsonl", [*GREETING[:1], "{"])
    config = {"path": str(tmp_path / "logs"), "read_as": "conversations"}
    assert "b.jsonl:2: column 2: Expecting property name" in failure(
        run(instance, [examples], examples=config)
    )
    result = run(instance, [examples], examples={**config, "on_bad_row": "drop"})
    assert metadata(result)["examples"]["n_conversations"] == 1
    assert metadata(result)["examples"]["unreadable"].records[0].data["place"] == "b.jsonl:2"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"path": "/nowhere.jsonl"},
            "path '/nowhere.jsonl': no such file or directory; give a file of examples",
        ),
        ({"path": "sample:nothing"}, "'sample:nothing' is no known sample: use sample:chatterbot, "),
        ({"path": "{chats}", "since": "lately"}, "since = 'lately': give a date such as 2026-05-01"),
        ({"path": "{chats}", "since": "2026-05-02"}, "none of 1 conversations is usable; dropped by since 1"),
        (
            {"path": "{empty}"},
            "holds no .jsonl, .ndjson, .json, .csv, .tsv, .parquet, .arrow, .feather file, in it",
        ),
    ],
)
def test_a_source_that_cannot_be_used_says_why(
    instance: dg.DagsterInstance, tmp_path: Path, config: dict[str, str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    known = {"{chats}": str(chats(tmp_path / "chats.db", "2026-05-01")), "{empty}": str(tmp_path / "empty")}
    config["path"] = known.get(config["path"], config["path"])
    assert message in failure(run(instance, [examples], examples=config))


def test_preferences_that_are_not_there_are_asked_for(instance: dg.DagsterInstance) -> None:
    result = run(instance, [preferences], preferences={"path": "/nowhere.jsonl"})
    assert "path '/nowhere.jsonl': no such file or directory; give a file of preference" in failure(result)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("/nowhere", "model '/nowhere' is no directory: give a model directory"),
        ("Qwen/Qwen3-8B", "fetch a model of the hub with `hf download Qwen/Qwen3-8B --local-dir DIR`"),
        ("sample:gpt5", "'sample:gpt5' is no sample model: use a model directory, or one of sample:smollm2"),
        ("{empty}", "config.json: missing; a model directory holds config.json"),
    ],
)
def test_a_model_that_cannot_be_used_says_why(
    instance: dg.DagsterInstance, tmp_path: Path, model: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    config = {"model": model.replace("{empty}", str(tmp_path / "empty"))}
    assert message in failure(run(instance, [base_model], base_model=config))


def test_a_model_is_known_by_its_files_wherever_they_are(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    facts = metadata(run(instance, [base_model]))["base_model"]
    named = (facts["architecture"], facts["vocab"], facts["dtype"])
    assert named == ("LlamaForCausalLM", "49152", "bfloat16")
    assert facts["license"] == "apache-2.0" and facts["n_params"] > 28_000_000
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in smollm2().iterdir():
        if path.name != "built.json":
            (elsewhere / path.name).symlink_to(path)
    again = metadata(run(instance, [base_model], base_model={"model": str(elsewhere)}))["base_model"]
    assert again["artifact"]["digest"] == facts["artifact"]["digest"]


def test_a_plan_downloads_and_builds_nothing(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    configs = {
        examples.key: ExamplesConfig(path="sample:chatterbot"),
        base_model.key: BaseModelConfig(model="sample:smollm2-2layer"),
    }
    reasons = [one.reason for one in plan(instance, [examples, base_model, sft_dataset], configs)]
    assert any("sample:chatterbot has not been downloaded yet; the first run does that" in r for r in reasons)
    assert any("sample:smollm2-2layer has not been built yet; the first run builds it" in r for r in reasons)
    assert not (tmp_path / "cache").exists()


def test_what_a_stage_computes_with_is_in_its_fingerprint() -> None:
    spec = spec_of(sft_dataset)
    assert spec is not None
    inputs = {"examples": "a", "base_model": "b"}
    changed = [
        {"on_bad_row": "drop"},
        {"seq_len": 64},
        {"roles": {"bot": "assistant"}},
        {"learn": "each"},
        {"control_tokens": "neutralise"},
    ]
    prints = {spec.fingerprint(inputs, SftDatasetConfig(**one)) for one in [{}, *changed]}
    assert len(prints) == len(changed) + 1
