"""Opens the bucket that ``$BLUT_REMOTE`` names, with the credentials that are found for it."""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from blut_resources.remote.words import RemoteError, explained
from blut_resources.settings import origin, settings
from blut_resources.text import one_line

REMOTE = "BLUT_REMOTE"
EXAMPLES = "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///directory"
SCHEMES = ("s3", "gs", "az", "file", "memory")
_PROFILE = {
    "aws_access_key_id": "access_key_id",
    "aws_secret_access_key": "secret_access_key",
    "aws_session_token": "session_token",
    "region": "region",
    "endpoint_url": "endpoint_url",
}
LOGINS = ("sso_", "login_", "role_arn", "source_profile", "credential_")
"""How the settings begin by which a profile has its keys from elsewhere."""
_in_memory: dict[str, Any] = {}
"""What is kept in memory is the same for the whole process, by its address."""


def remote_address() -> str:
    """Returns what ``$BLUT_REMOTE`` says, such as ``s3://bucket/prefix``; empty where it says nothing."""
    return settings().get(REMOTE, "").strip()


def open_address(url: str, *, insistent: bool = True) -> Any:
    """Returns the object store of an address.

    Args:
        url: such as ``s3://bucket/prefix``.
        insistent: whether a request that gets no answer is tried for a minute, and not for a few seconds.

    Raises:
        RemoteError: nothing of the kind, a package is missing, or the credentials cannot be found.
    """
    scheme, found, place = url.partition("://")
    if scheme not in SCHEMES or not found:
        raise RemoteError(f"{origin(REMOTE)}={url}: no address of a bucket; give {EXAMPLES}")
    _refuse_odd(scheme, place)
    url = f"{scheme}://{quote(place)}"
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise RemoteError(
            f"{url}: needs a package that is not installed: pip install 'blut[remote]'"
        ) from error
    if scheme == "memory":
        return _in_memory.setdefault(url, from_url(url))
    config = profile(os.environ) if scheme == "s3" else {}
    try:
        return from_url(url, **_client(scheme, config, insistent))
    except Exception as error:
        raise explained(error, url) from error


def _refuse_odd(scheme: str, place: str) -> None:
    """Refuse what would be read otherwise than it is written: another place would be used without a word.

    Raises:
        RemoteError: it would; it does not repeat what may hold a password.
    """
    bucket, _, prefix = place.partition("/")
    if scheme in ("s3", "gs", "az") and not re.fullmatch(r"[\w.-]+", bucket, re.ASCII):
        raise RemoteError(
            f"{origin(REMOTE)}={scheme}://...: the name of a bucket has letters, digits, dots, hyphens and"
            " underscores; keys belong in $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY, a server in"
            " $AWS_ENDPOINT_URL"
        )
    parts = prefix.removesuffix("/").split("/") if prefix else []
    if not place.isprintable() or any(one in ("", ".", "..") for one in parts):
        raise RemoteError(
            f"{origin(REMOTE)}={scheme}://{one_line(place)}: a prefix has no `//`, `.` or `..` in it, and no"
            " characters that cannot be seen"
        )


def _client(scheme: str, config: Mapping[str, str], insistent: bool) -> dict[str, Any]:
    if scheme == "file":
        return {}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    plain = str(endpoint or config.get("endpoint_url", "")).startswith("http://")
    backoff = {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=8), "base": 2}
    return {
        "client_options": {
            "allow_http": plain,
            "connect_timeout": timedelta(seconds=5),
            "read_timeout": timedelta(seconds=60 if insistent else 10),
            "timeout": timedelta(seconds=300 if insistent else 30),
        },
        "retry_config": {
            "max_retries": 8 if insistent else 2,
            "retry_timeout": timedelta(seconds=60 if insistent else 8),
            "backoff": backoff,
        },
        **({"config": dict(config)} if config else {}),
    }


def profile(env: Mapping[str, str]) -> dict[str, str]:
    """Returns the settings of the profile in the user's AWS files; variables come before them.

    Raises:
        RemoteError: ``$AWS_PROFILE`` names none that is there, or one without keys.
    """
    if env.get("AWS_ACCESS_KEY_ID") or env.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return {}
    import configparser

    name, found = env.get("AWS_PROFILE", "default"), dict[str, str]()
    home = Path(env.get("HOME", "/"))
    places = {
        "AWS_CONFIG_FILE": home / ".aws/config",
        "AWS_SHARED_CREDENTIALS_FILE": home / ".aws/credentials",
    }
    for variable, place in places.items():
        file = configparser.RawConfigParser()
        try:
            file.read(env.get(variable, place))
        except configparser.Error as error:
            raise RemoteError(f"{env.get(variable, place)}: {error.message}; correct the file") from error
        for section in (f"profile {name}", name):
            found |= dict(file[section]) if file.has_section(section) else {}
    if not found and "AWS_PROFILE" not in env:
        return {}
    asked = "AWS_PROFILE" in env or any(key.startswith(LOGINS) for key in found)
    if "aws_access_key_id" not in found and asked:  # else the machine may have a role that has keys
        raise RemoteError(
            f"the AWS profile {name} has no access key in ~/.aws/credentials: give it one, or export what its"
            f' login gives: eval "$(aws configure export-credentials --profile {name} --format env)"'
        )
    given = {_PROFILE[key]: value for key, value in found.items() if key in _PROFILE}
    taken = {"region": ("AWS_REGION", "AWS_DEFAULT_REGION"), "endpoint_url": ("AWS_ENDPOINT_URL",)}
    said = {key for key, variables in taken.items() if any(env.get(one) for one in variables)}
    return {key: value for key, value in given.items() if key not in said}
