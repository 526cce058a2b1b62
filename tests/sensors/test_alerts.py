"""Failures are told to a command or a signed webhook, at least once, and never cost a run."""

import contextlib
import datetime as dt
import hashlib
import hmac
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_resources.instance.instance import open_instance
from sensors.alerts import telling
from sensors.alerts.alert import Alert
from sensors.alerts.by_apprise import harmless
from sensors.alerts.causes import brief
from sensors.alerts.delivery import NotDelivered, deliver
from sensors.alerts.scope import AlertScope
from sensors.alerts.sensor import alerts_sensor
from sensors.alerts.settings import AlertSettingsError, Hook, usable
from sensors.policy.decide import Data, History, weigh
from sensors.policy.fields import Policy
from sensors.policy.history import POLICY_TAG, history
from tests.sensors.kept import keep

SECRET = "a secret of the receiver"


class Receiver(ThreadingHTTPServer):
    """A webhook receiver that takes nothing it cannot verify."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.alerts: list[dict[str, Any]] = []
        self.answers: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?token=not-to-be-logged"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        stamp = self.headers["Blut-Timestamp"]
        mac = hmac.new(SECRET.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        genuine = hmac.compare_digest(f"v1={mac}", self.headers["Blut-Signature"])
        status = receiver.answers.pop(0) if receiver.answers else 204
        if not genuine or abs(time.time() - int(stamp)) > 300:
            status = 401
        if status == 204:
            receiver.alerts.append(json.loads(body))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@dg.asset
def judged() -> None:
    """Is judged below."""


@dg.asset_check(asset=judged)  # pyright: ignore[reportArgumentType]
def gate() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="floor of 0.9 missed")


@dg.asset_check(asset=judged, blocking=True)  # pyright: ignore[reportArgumentType]
def strict() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, description="floor of 0.99 missed")


@dg.asset_check(asset=judged)  # pyright: ignore[reportArgumentType]
def advice() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)


@dg.asset
def broken() -> None:
    raise ValueError("no such electrode")


@dg.asset
def stopped() -> None:
    os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C
    time.sleep(60)


@dg.asset
def late() -> None:
    raise dg.Failure("the deadline of its run has come", {"outcome": "deadline"}, allow_retries=False)


class Daemon:
    """Ticks the sensor as the daemon does: with the cursor that it left."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.cursor = instance, None
        assets = [judged.key, broken.key, stopped.key, late.key]
        self.sensor = alerts_sensor(AlertScope.of([gate, advice], ["weekly"], assets))

    def tick(self) -> str:
        if self.cursor is not None:  # it is kept, for who begins without a state of hooks
            keep(self.instance, "blut_alerts", "blut", cursor=self.cursor)
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result: Any = self.sensor(context)
        self.cursor = result.cursor
        return result.skip_reason.skip_message


@pytest.fixture
def daemon(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    monkeypatch.setenv("BLUT_ALERTS", str(home / "alerts.toml"))
    monkeypatch.setenv("RECEIVER_SECRET", SECRET)
    with open_instance() as instance:
        yield Daemon(instance)


def write(home: Path, url: str, on: str = "") -> None:
    text = f'[[hook]]\nname = "team"\nwebhook = "{url}"\nsecret_env = "RECEIVER_SECRET"\n{on}\n'
    (home / "alerts.toml").write_text(text)


def fail(instance: dg.DagsterInstance, **tags: str) -> dg.ExecuteInProcessResult:
    return dg.materialize([broken], instance=instance, tags=tags, raise_on_error=False)


def test_each_failure_is_told_once_with_its_reason(daemon: Daemon, home: Path, receiver: Receiver) -> None:
    fail(daemon.instance)
    assert "off" in daemon.tick()
    write(home, receiver.url)
    run = fail(daemon.instance)
    daemon.tick()
    internal = {"blut/waiting": "no more, after 3 s", "blut/given": "{}"}
    retrain = fail(daemon.instance, **{"blut/policy": "nightly"}, **internal)
    checked = dg.materialize([judged, gate, advice], instance=daemon.instance)
    daemon.tick()
    daemon.tick()
    told = {(alert["event"], alert["run"]): alert for alert in receiver.alerts}
    assert len(receiver.alerts) == len(told) == 3, "nothing of the time before there was a hook"
    assert "no such electrode" in told["run-failed", run.run_id]["message"]
    assert told["retrain-failed", retrain.run_id]["tags"] == {"blut/policy": "nightly"}
    verdict = told["check-failed", checked.run_id]
    assert (verdict["asset"], verdict["check"], verdict["message"]) == (
        "judged",
        "gate",
        "floor of 0.9 missed",
    )


RAISED = """
Traceback (most recent call last):
  File "a.py", line 3, in <module>
    one()
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 5, in <module>
    two()
ValueError: no such electrode
  in two lines"""


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("a/b: exit status 1\nread 3 files" + RAISED, "a/b: exit status 1\nValueError: no such electrode"),
        (RAISED, "ValueError: no such electrode"),
        ("a/b: exit status 3\nthe reason", "a/b: exit status 3\nthe reason"),
        ("a/b: killed by SIGKILL\n" + "epoch\n" * 90 + "the last\n", "a/b: killed by SIGKILL\nthe last"),
        ("", ""),
    ],
)
def test_a_message_is_the_cause_and_not_all_that_was_printed(why: str, told: str) -> None:
    assert brief(why) == told


def test_a_run_that_ended_at_its_deadline_did_not_fail(
    daemon: Daemon, home: Path, receiver: Receiver
) -> None:
    write(home, receiver.url)
    daemon.tick()
    tags = {POLICY_TAG: "nightly"}
    run = dg.materialize([late], instance=daemon.instance, tags=tags, raise_on_error=False)
    daemon.tick()
    assert [(one["event"], one["run"]) for one in receiver.alerts] == [("run-deadline", run.run_id)]
    assert history(daemon.instance, "nightly", None).attempts[0].outcome == "deadline"


def test_a_policy_that_cannot_see_its_data_is_told_once_for_each_reason(
    daemon: Daemon, home: Path, receiver: Receiver
) -> None:
    def tick(problem: str) -> None:
        """With what the sensor that retrains has left, as Dagster keeps it."""
        data, now = Data(problem=problem), dt.datetime.now(dt.UTC)
        said = weigh("nightly", Policy.model_validate({}), History((), None), now, data).reason
        keep(daemon.instance, "blut_retraining", "blut", cursor=f"weekly: off\nnightly: {said}")
        daemon.tick()

    write(home, receiver.url)
    daemon.tick()
    for problem in ("/data is gone", "/data is gone", "", "/data is gone", "/data is empty"):
        tick(problem)
    assert [alert["event"] for alert in receiver.alerts] == ["policy-blocked"] * 3
    keep(daemon.instance, "blut_retraining", "blut", cursor="policy file: cannot be acted on: p.toml:3: x")
    daemon.tick(), daemon.tick()
    assert [(one["job"], one["message"]) for one in receiver.alerts[3:]] == [
        ("policy file", "cannot be acted on: p.toml:3: x")
    ]
    del receiver.alerts[3:]
    assert [alert["job"] for alert in receiver.alerts] == ["nightly"] * 3
    assert [alert["message"].rpartition(" ")[2] for alert in receiver.alerts] == ["gone", "gone", "empty"]


def test_a_run_that_somebody_ended_is_told_to_nobody(daemon: Daemon, home: Path, receiver: Receiver) -> None:
    write(home, receiver.url)
    daemon.tick()
    tags = {POLICY_TAG: "nightly"}
    checked = dg.materialize([judged, strict], instance=daemon.instance, tags=tags, raise_on_error=False)
    ended = dg.materialize([stopped], instance=daemon.instance, tags=tags, raise_on_error=False)
    failed = fail(daemon.instance, **tags)
    daemon.tick()
    told = {alert["run"]: alert["message"] for alert in receiver.alerts if alert["event"] == "retrain-failed"}
    assert told == {
        checked.run_id: "check strict failed: floor of 0.99 missed",
        failed.run_id: "broken: ValueError: no such electrode",
    }
    attempts = history(daemon.instance, "nightly", None).attempts
    outcomes = {attempt.run_id: attempt.outcome for attempt in attempts}
    assert outcomes == {failed.run_id: "failure", checked.run_id: "refused", ended.run_id: "cancelled"}


def test_a_hook_that_fails_is_tried_again_and_named_without_its_url(
    daemon: Daemon, home: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "FIRST_WAIT_S", 0.0)
    write(home, receiver.url, on='on = ["run-failed"]')
    daemon.tick()
    receiver.answers = [500, 302]
    fail(daemon.instance)
    assert daemon.tick().startswith("1 to tell, 1 still owed")
    assert "not-to-be-logged" not in str(daemon.cursor)
    kept = home / "alerts" / "state.json"
    assert "1 still owed" in daemon.tick()
    before = kept.read_text()
    assert "not-to-be-logged" not in before
    assert "0 still owed" in daemon.tick()
    assert len(receiver.alerts) == 1
    kept.write_text(before)  # the daemon died between the delivery and the note about it
    daemon.tick()
    assert receiver.alerts[0] == receiver.alerts[1], "told twice, with the id to know it by"


def test_a_webhook_without_its_secret_tells_nobody(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RECEIVER_SECRET", raising=False)
    hook = Hook(name="team", webhook=receiver.url, secret_env="RECEIVER_SECRET")
    with pytest.raises(NotDelivered, match=r"\$RECEIVER_SECRET is not set"):
        deliver(hook, _alert())
    monkeypatch.setenv("RECEIVER_SECRET", "another secret")
    with pytest.raises(NotDelivered, match=r"127.0.0.1 answered 401$"):
        deliver(hook, _alert())
    assert receiver.alerts == []


def test_a_command_gets_the_alert_and_its_failure_is_named(tmp_path: Path) -> None:
    code = "import os, sys; open(sys.argv[1], 'w').write(sys.stdin.read() + os.environ['BLUT_ALERT_EVENT'])"
    out = tmp_path / "told"
    deliver(Hook(name="mail", command=(sys.executable, "-c", code, str(out))), _alert())
    assert out.read_text() == _alert().model_dump_json() + "\nrun-failed"
    with pytest.raises(NotDelivered, match="hook mail: exit status 3: full"):
        deliver(
            Hook(name="mail", command=(sys.executable, "-c", "print('full'); raise SystemExit(3)")), _alert()
        )
    with pytest.raises(NotDelivered, match=r"no end within 0\.2 s"):
        deliver(Hook(name="mail", command=("sleep", "30"), timeout_s=0.2), _alert())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[hook]]\nname = "a"', ":1: hook 'a': give one of command, webhook, file, url, url_env, not none"),
        ('[[hook]]\nname = "a"\nwebhook = "https://x"', "needs secret_env"),
        ('[[hook]]\nname = "a"\ncommand = ["x"]\nsecret = "s"', ":4: hook 'a': secret = 's': no such key"),
        (
            '[[hook]]\nname = "a"\ncommand = ["x"]\non = ["everything"]',
            ":4: hook 'a': on = 'everything': no such event",
        ),
        (
            '[[hook]]\nname = "a"\nfile = "/x"\non = ["run-failed", "check-faild"]',
            "on = 'check-faild': no such event (did you mean 'check-failed'?); there are run-failed,",
        ),
        ('[[hook]]\nname = "a"\nfile = "/x"\non = "run-failed"', "write a list, such as on = ['run-failed']"),
        ('[[hook]]\nname = "a"\nfile = "/x"\non = []', ":4: hook 'a': on = []: is empty"),
        ('[[hook]]\nfile = "/x"', ":1: the hook without a name, number 1: name is missing"),
        ("[[hook", "alerts.toml"),
        ('[[hok]]\nname = "a"', ":1: hok: no such key (did you mean 'hook'?); there are hook, all_runs"),
        ("all_rons = true", ":1: all_rons = True: no such key (did you mean 'all_runs'?)"),
        ('[hook]\nname = "a"', ":1: hook = {'name': 'a'}: write [[hook]], a table for each"),
        (
            '[[hook]]\nname = "a"\nwebhok = "https://x/s3cret"',
            ":3: hook 'a': webhok = 'https://***': no such key",
        ),
        ('[[hook]]\nname = "a"\nfile = "told"', ":1: hook 'a': file must be an absolute path"),
        (
            '[[hook]]\nname = "a"\ntimeout_s = "x"',
            ":3: hook 'a': timeout_s = 'x': Input should be a valid number",
        ),
    ],
)
def test_malformed_settings_name_file_field_and_value(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    try:
        _, problems = usable(path)
    except AlertSettingsError as error:
        problems = [str(error)]
    assert any(words in problem and str(path) in problem for problem in map(str, problems))
    assert len(problems) == 1 and "Tuple" not in str(problems[0]), problems


def test_a_hook_that_is_wrong_is_known_by_its_name_and_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alerts.toml"
    hook = f'[[hook]]\nname = "{{}}"\nfile = "{tmp_path}/told"\n{{}}\n'
    path.write_text(hook.format("log", 'on = ["run-faild"]') + hook.format("three", ""))
    path.chmod(0o600)
    monkeypatch.setenv("BLUT_ALERTS", str(path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "none"))

    def status(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["alerts", "test", *words])
        return done.exit_code, done.stderr

    assert status("three")[0] == 0 and (tmp_path / "told").read_text().count("\n") == 1
    code, said = status("log")
    assert code == 2 and "did you mean 'run-failed'" in said and "no hook is called" not in said
    assert "no hook is called 'lok' (did you mean 'log'?)" in status("lok")[1]
    assert status()[0] == 1, "one of them was not told"


def test_what_is_wrong_is_said_in_the_order_of_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text('[[hook]]\nname = "a"\non = [3]\nfile = "/x"\ntimeout = 3\n[[hook]]\nfile = 3\n')
    lines = [problem.line for problem in usable(path)[1]]
    assert lines == sorted(lines) == [3, 5, 6, 7]


def _alert() -> Alert:
    return Alert(id="x", event="run-failed", at="2026-05-01T00:00:00+00:00", run="r", job="j", message="m")


def test_a_hook_has_one_deadline_and_leaves_nobody_behind(tmp_path: Path) -> None:
    code = "import os, sys, time; os.setsid() if os.fork() == 0 else os._exit(0)"
    code += "; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    left = tmp_path / "pid"
    shell = f'{sys.executable} -c "$1" "$2"; while ! test -s "$2"; do :; done; exec sleep 60'
    hook = Hook(name="mail", command=("/bin/sh", "-c", shell, "sh", code, str(left)), timeout_s=3)
    started = time.monotonic()
    with pytest.raises(NotDelivered, match="no end within 3 s"):
        deliver(hook, _alert())
    assert time.monotonic() - started < 20
    assert not Path("/proc", left.read_text()).exists()


def test_a_server_that_answers_a_byte_at_a_time_does_not_outlast_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RECEIVER_SECRET", SECRET)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_drip, args=(server,), daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        started = time.monotonic()
        with pytest.raises(NotDelivered, match=r"no answer within 0\.5 s"):
            deliver(Hook(name="team", webhook=url, secret_env="RECEIVER_SECRET", timeout_s=0.5), _alert())
        assert time.monotonic() - started < 10


def _drip(server: socket.socket) -> None:
    with contextlib.suppress(OSError), server.accept()[0] as connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-More: 1\r\n")
            time.sleep(0.05)


def test_one_hook_that_cannot_be_used_does_not_silence_the_others(
    daemon: Daemon, home: Path, receiver: Receiver
) -> None:
    write(home, receiver.url, '[[hook]]\nname = "bad"\nwebhook = "https://x/\\u0007"\nsecret_env = "X"')
    daemon.tick()
    fail(daemon.instance)
    daemon.tick()
    assert len(receiver.alerts) == 1


class Service(ThreadingHTTPServer):
    """What apprise's ``json://`` speaks to; answers one status after the other."""

    def __init__(self, *answers: int, wait_s: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.answers, self.wait_s, self.told = list(answers), wait_s, list[tuple[str, dict[str, Any]]]()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def hook(self, **fields: Any) -> Hook:
        url = f"json://user:hidden-word@127.0.0.1:{self.server_address[1]}/token-1234"
        return Hook.model_validate({"name": "phone", "url": url, **fields})


class Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        service: Any = self.server
        service.told.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        time.sleep(service.wait_s)
        self.send_response(service.answers.pop(0) if service.answers else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


needs_apprise = pytest.mark.skipif(
    find_spec("apprise") is None, reason="optional: pip install 'blut[alerts]'"
)


@needs_apprise
def test_a_service_is_told_in_words_and_not_where_it_points_to(monkeypatch: pytest.MonkeyPatch) -> None:
    service = Service(200, 307, 403)
    with contextlib.closing(service.socket):
        deliver(service.hook(), _alert())
        path, told = service.told[0]
        assert (path, told["title"]) == ("/token-1234", "Blut: run-failed: j")
        assert told["message"] == "m\nrun r\n2026-05-01T00:00:00+00:00"
        for _ in range(2):
            with pytest.raises(NotDelivered, match=r"hook phone: .*error=(307|403)") as refused:
                deliver(service.hook(), _alert())
            assert "hidden-word" not in str(refused.value) and "token-1234" not in str(refused.value)
        assert [path for path, _ in service.told] == ["/token-1234"] * 3
        following = {"url": "", "url_env": "SERVICE"}
        with pytest.raises(NotDelivered, match=r"\$SERVICE is not set"):
            deliver(service.hook(**following), _alert())
        monkeypatch.setenv("SERVICE", f"{service.hook().url}?redirect=yes")
        with pytest.raises(NotDelivered, match="redirect=yes in its URL"):
            deliver(service.hook(**following), _alert())
        monkeypatch.setenv("SERVICE", "nobody://knows-this")
        with pytest.raises(NotDelivered, match="knows no such service"):
            deliver(service.hook(**following), _alert())
        assert len(service.told) == 3
        service.shutdown()


def test_a_reason_repeats_no_part_of_a_url() -> None:
    said = harmless("Failed to tell 123:Abc-def of it: 404", "tgram://123%3AAbc-def/42?tag=x")
    assert said == "Failed to tell 123:*** of it: 404"


@needs_apprise
def test_a_service_that_does_not_answer_has_the_deadline_of_its_hook() -> None:
    service = Service(wait_s=30.0)
    with contextlib.closing(service.socket):
        started = time.monotonic()
        with pytest.raises(NotDelivered, match=r"no end within 2 s"):
            deliver(service.hook(timeout_s=2), _alert())
        assert time.monotonic() - started < 15
        service.shutdown()


def test_a_hook_goes_one_way_and_a_service_has_a_name(tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    for line, said in (
        ('url = "ntfy://x"\nurl_env = "X"', "not url and url_env"),
        ('url = "ntfy://x"\ncommand = ["x"]', "not command and url"),
        ('url = "example.org/hook"', "url must begin with a service"),
    ):
        path.write_text(f'[[hook]]\nname = "a"\n{line}\n')
        settings, problems = usable(path)
        assert not settings.hook and said in problems[0].text


def test_attempts_of_one_run_are_one_alert(daemon: Daemon, home: Path, receiver: Receiver) -> None:
    write(home, receiver.url)
    daemon.tick()
    first = fail(daemon.instance)
    daemon.instance.add_run_tags(
        first.run_id, {"dagster/will_retry": "true", "dagster/auto_retry_run_id": "x"}
    )
    last = fail(daemon.instance, **{"dagster/retry_number": "2"})
    daemon.tick()
    (told,) = receiver.alerts
    assert told["run"] == last.run_id and told["message"].endswith("no such electrode (after 2 retries)")
