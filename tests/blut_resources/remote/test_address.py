"""A remote is found by its address, and credentials where other programs find them."""

import sys
from pathlib import Path

import pytest

from blut_resources.remote.address import open_address, profile
from blut_resources.remote.words import RemoteError

FILES = """[default]
aws_access_key_id = one
aws_secret_access_key = secret
[work]
aws_access_key_id = two
aws_secret_access_key = secret
aws_session_token = token
"""
CONFIG = """[default]
region = eu-central-1
[profile work]
region = us-west-2
endpoint_url = http://localhost:9000
[profile login]
sso_session = mine
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A user with two sets of keys, and a login that gives none."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(FILES)
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    return {"HOME": str(tmp_path)}


def test_keys_are_those_of_the_profile(env: dict[str, str]) -> None:
    """And what a variable says comes before it."""
    assert profile(env) == {"access_key_id": "one", "secret_access_key": "secret", "region": "eu-central-1"}
    work = profile(env | {"AWS_PROFILE": "work"})
    assert work["access_key_id"] == "two" and work["session_token"] == "token"
    assert (work["region"], work["endpoint_url"]) == ("us-west-2", "http://localhost:9000")
    said = {"AWS_PROFILE": "work", "AWS_REGION": "x", "AWS_ENDPOINT_URL": "https://y"}
    assert {"region", "endpoint_url"}.isdisjoint(profile(env | said))
    assert profile(env | {"AWS_ACCESS_KEY_ID": "three"}) == {}
    assert profile({"HOME": "/nowhere"}) == {}


@pytest.mark.parametrize("name", ["login", "nobody"])
def test_a_profile_without_keys_is_refused(env: dict[str, str], name: str) -> None:
    """With what gives some."""
    with pytest.raises(RemoteError, match=f"export-credentials --profile {name}"):
        profile(env | {"AWS_PROFILE": name})


def test_a_region_alone_asks_for_no_keys(env: dict[str, str]) -> None:
    """They may be a role's of the machine; where the profile says who gives them, that is said."""
    (Path(env["HOME"]) / ".aws" / "credentials").unlink()
    assert profile(env) == {"region": "eu-central-1"}
    (Path(env["HOME"]) / ".aws" / "config").write_text(
        "[default]\nregion = x\nrole_arn = arn:aws:iam::1:role/r\n"
    )
    with pytest.raises(RemoteError, match="export-credentials --profile default"):
        profile(env)


@pytest.mark.parametrize("url", ["bucket", "s3:bucket", "ftp://host/x", "://", "s3", "/a/directory"])
def test_what_is_no_address_is_refused(url: str) -> None:
    """With what would be one."""
    with pytest.raises(RemoteError, match=r"no address of a bucket; give s3://bucket/prefix, gs://"):
        open_address(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3://me:secret@bucket/x", "keys belong in"),
        ("s3://bucket:9000/x", "a server in"),
        ("s3:///x", "the name of a bucket"),
        ("s3://bucket#1/x", "the name of a bucket"),
        ("s3://bucket//x", "has no `//`"),
        ("s3://bucket/x/../y", "has no `//`"),
        ("file:///tmp/./x", "has no `//`"),
        ("s3://bucket/a\nb", "cannot be seen"),
    ],
)
def test_an_address_that_would_be_read_otherwise_is_refused(url: str, told: str) -> None:
    with pytest.raises(RemoteError) as found:
        open_address(url)
    assert told in str(found.value) and "secret" not in str(found.value)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what installs it."""
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(RemoteError, match=r"pip install 'blut\[remote\]'"):
        open_address("s3://bucket/prefix")
