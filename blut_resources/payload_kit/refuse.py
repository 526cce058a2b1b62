"""Ends a payload that cannot use what it was given: with a message for a person, and no stack trace.

The session of a payload ends the process with the message of a `Refused`. Errors of libraries that payloads
use, and that are about what a user brought, are kinds of it.
"""

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Refused(Exception):
    """Refuses what was given; the message names the field or file, its value and the remedy."""


@contextlib.contextmanager
def explained(*errors: type[Exception]) -> "Iterator[None]":
    """Let errors of libraries that know nothing of payloads end one as `Refused` does, with their message.

    Raises:
        Refused: one of them was raised.
    """
    try:
        yield
    except errors as error:
        raise Refused(str(error)) from error


def refusal(field: str, value: object, must: str, remedy: str = "") -> Refused:
    """Returns the error of one bad value; ``must`` says what it has to be, such as ``be above 0``."""
    return Refused(f"{field}={value!r}: must {must}{f'; {remedy}' if remedy else ''}")
