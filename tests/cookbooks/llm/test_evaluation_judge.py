"""A judge is any server that speaks OpenAI's chat protocol; here one that really listens."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cookbooks.llm.evaluation import judge as judge_module
from cookbooks.llm.evaluation.judge import JudgeError, judge_of, read_grade


class Server(ThreadingHTTPServer):
    """Answers each request with the next of ``replies``: a status, or the text of a completion."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: list[Any] = []
        self.seen: list[tuple[str, str | None, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, self.headers.get("Authorization"), body))
        reply = self.server.replies.pop(0)
        if isinstance(reply, tuple):
            self.send_response(307)
            self.send_header("Location", reply[0])
            return self.end_headers()
        status, text = (reply, "out of order") if isinstance(reply, int) else (200, reply)
        data = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(judge_module.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("BLUT_JUDGE_KEY", "secret-key")
    monkeypatch.setenv("BLUT_JUDGE_HOSTS", "127.0.0.1")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def test_an_answer_is_graded_against_the_reference(server: Server) -> None:
    server.replies = ['The answer is right. {"grade": 9}']
    judge = judge_of(server.url, "grader", "BLUT_JUDGE_KEY")
    assert judge is not None and judge.grade("2+2?", "4", "It is 4.") == 9
    path, key, body = server.seen[0]
    assert path == "/v1/chat/completions" and key == "Bearer secret-key"
    assert body["model"] == "grader" and body["temperature"] == 0
    asked = body["messages"][-1]["content"]
    assert all(text in asked for text in ("2+2?", "4", "It is 4."))


def test_no_key_is_sent_where_none_is_named_and_none_is_shown(server: Server) -> None:
    server.replies = ['{"grade": 1}']
    judge = judge_of(server.url, "grader", "")
    assert judge is not None and judge.grade("q", "r", "a") == 1
    assert server.seen[0][1] is None
    assert "secret" not in repr(judge_of(server.url, "grader", "BLUT_JUDGE_KEY"))


def test_a_reply_without_a_grade_is_no_grade(server: Server) -> None:
    server.replies = ["I would say nine out of ten."]
    judge = judge_of(server.url, "grader", "")
    assert judge is not None and judge.grade("q", "r", "a") is None


def test_a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(server: Server) -> None:
    judge = judge_of(server.url, "grader", "")
    assert judge is not None
    server.replies = [503, '{"grade": 5}']
    assert judge.grade("q", "r", "a") == 5
    server.replies = [401]
    with pytest.raises(JudgeError, match="status 401"):
        judge.grade("q", "r", "a")
    server.replies = [503, 503, 503]
    with pytest.raises(JudgeError, match="no answer in 3 tries"):
        judge.grade("q", "r", "a")


def test_a_redirect_is_told_and_the_key_goes_nowhere(server: Server) -> None:
    judge = judge_of(server.url, "grader", "BLUT_JUDGE_KEY")
    assert judge is not None
    with Server() as elsewhere:
        thread = threading.Thread(target=elsewhere.serve_forever)
        thread.start()
        server.replies = [(elsewhere.url,)]
        with pytest.raises(JudgeError, match=r"redirects to another address; name the one that answers"):
            judge.grade("q", "r", "a")
        elsewhere.shutdown()
        thread.join()
        assert elsewhere.seen == []


def test_a_key_with_a_line_end_is_named_by_its_variable_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_JUDGE_HOSTS", "x")
    monkeypatch.setenv("BLUT_JUDGE_KEY", "secret\nX-Other: 1")
    with pytest.raises(JudgeError, match=r"\$BLUT_JUDGE_KEY \(judge_key_env\)") as caught:
        judge_of("http://x/v1", "grader", "BLUT_JUDGE_KEY")
    assert "secret" not in str(caught.value)


def test_a_judge_that_is_not_there_is_an_error_and_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_module.time, "sleep", lambda seconds: None)
    judge = judge_of("http://127.0.0.1:9/v1", "grader", "")
    assert judge is not None
    with pytest.raises(JudgeError, match=r"127\.0\.0\.1:9"):
        judge.grade("q", "r", "a")


@pytest.mark.parametrize(
    ("url", "model", "key", "words"),
    [
        ("", "grader", "", "judge_url"),
        ("http://x/v1", "", "", "judge_model"),
        ("file:///etc/passwd", "grader", "", "http://"),
        ("http://x/v1", "grader", "BLUT_JUDGE_NO_SUCH", "BLUT_JUDGE_NO_SUCH"),
    ],
)
def test_an_incomplete_judge_is_refused_before_anything_runs(
    url: str, model: str, key: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLUT_JUDGE_HOSTS", "x")
    with pytest.raises(JudgeError, match=words):
        judge_of(url, model, key)


def test_nobody_is_asked_by_default() -> None:
    assert judge_of("", "", "") is None


@pytest.mark.parametrize(
    ("reply", "grade"),
    [
        ('{"grade": 7}', 7),
        ('```json\n{"grade": 7.4}\n```', 7),
        ('{"grade": 11}', None),
        ('{"grade": true}', None),
        ('{"grade": "8"}', None),
        ('{"a": 1} {"grade": 3}', 3),
        ("", None),
    ],
)
def test_only_a_number_on_the_scale_is_a_grade(reply: str, grade: int | None) -> None:
    assert read_grade(reply) == grade


KEPT = {
    "HF_TOKEN": "hf_secret",
    "BLUT_JUDGE_KEY": "secret-key",
    "BLUT_JUDGE_HOSTS": "judge.example, [::1]:8000",
}


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        ("http://127.0.0.1:9/v1", "HF_TOKEN", "only a variable whose name begins with BLUT_JUDGE_"),
        ("https://judge.example/v1", "BLUT_JUDGE_HOSTS", "only a variable whose name begins"),
        ("https://evil.example/v1", "BLUT_JUDGE_KEY", "export BLUT_JUDGE_HOSTS=evil.example"),
        ("https://evil.example/v1", "", "evil.example is not named by the owner"),
        ("http://127.0.0.1:9/v1", "BLUT_JUDGE_KEY", "127.0.0.1 gets no key"),
        ("http://[::1]:8001/v1", "BLUT_JUDGE_KEY", "gets no key"),
        ("http://judge.example@evil.example/v1", "", "give an http"),
        ("http://evil.example\\@judge.example/v1", "", "give an http"),
        ("http://evil.example?judge.example/v1", "", "give an http"),
        ("http://judge.example.evil.example/v1", "", "is not named"),
        ("http://2130706433/v1", "BLUT_JUDGE_KEY", "is not named"),
    ],
)
def test_args_choose_neither_a_secret_nor_who_gets_one(
    url: str, key: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEPT.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(JudgeError, match=words) as caught:
        judge_of(url, "grader", key)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://judge.example:8443/v1", "HTTP://Judge.example", "http://[::1]:8000/v1"]
)
def test_a_server_that_the_owner_names_gets_the_key(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEPT.items():
        monkeypatch.setenv(name, value)
    judge = judge_of(url, "grader", "BLUT_JUDGE_KEY")
    assert judge is not None and judge.key == "secret-key"
