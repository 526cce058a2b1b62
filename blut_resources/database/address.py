"""Reads the address of a database. No password may be in it: files, logs and lists of processes show it."""

import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from blut_resources.files.durable import StoreError

VARIABLE = "BLUT_DATABASE"
EXAMPLE = "postgresql://user@host/blut"
SCHEMES = ("postgresql", "postgres", "postgresql+psycopg2")
DRIVER = "postgresql+psycopg2"
"""SQLAlchemy takes a plain ``postgresql://`` for another driver than the one that dagster-postgres brings."""
PORT = "5432"
SECRET = ("password", "sslpassword")
ELSEWHERE = "keep it in ~/.pgpass, in the file that $PGPASSFILE names, or in a service ($PGSERVICE)"


class AddressRefused(StoreError):
    """Says that an address of a database cannot be used; the message names what gave it, and the remedy."""


class Address(NamedTuple):
    """Says where a database is.

    What is empty, libpq finds elsewhere: in ``$PGHOST``, ``$PGUSER`` and their like, in a service, or in its
    own defaults. ``options`` are further parameters of libpq, such as ``host=/run/postgresql``.
    """

    user: str
    host: str
    port: str
    name: str
    options: tuple[tuple[str, str], ...] = ()
    password: str | None = None

    @property
    def url(self) -> str:
        """Returns the address as SQLAlchemy and Dagster take it."""
        secret = "" if self.password is None else f":{quote(self.password, safe='')}"
        who = f"{quote(self.user, safe='')}{secret}@" if self.user or secret else ""
        port = f":{self.port}" if self.port else ""
        more = f"?{urlencode(self.options, quote_via=quote)}" if self.options else ""
        return f"{DRIVER}://{who}{self.host}{port}/{quote(self.name, safe='')}{more}"

    @property
    def words(self) -> str:
        """Returns the address for a person."""
        shown = tuple((name, value) for name, value in self.options if name not in SECRET)
        return self._replace(password=None, options=shown).url.replace(DRIVER, "postgresql", 1)

    def is_same(self, other: "Address") -> bool:
        """Says whether two addresses lead to one database, whoever of its users they are for."""
        return self._place() == other._place()

    def _place(self) -> tuple[str, str, str, str]:
        said = dict(self.options)
        host, port = self.host.lower() or said.get("host", ""), self.port or said.get("port") or PORT
        return host, port, self.name or said.get("dbname", ""), said.get("service", "")


def parse(text: str, by: str = f"${VARIABLE}") -> Address:
    """Returns the address that a text is.

    Raises:
        AddressRefused: it is none of PostgreSQL's, or holds a password. The text is not repeated: what was
            mistyped may be one.

    Args:
        by: who says it, for the message.
    """
    found = read(text, by)
    if found.password is not None or any(name in SECRET for name, _ in found.options):
        raise AddressRefused(f"{by} holds a password, which others could read: {ELSEWHERE}")
    return found


def read(text: str, by: str) -> Address:
    """Returns the address that a text is, also where somebody else has written a password into it.

    Raises:
        AddressRefused: it is none of PostgreSQL's.
    """
    try:
        parts = urlsplit(text.strip())
        port, password = parts.port, parts.password
    except ValueError:
        raise AddressRefused(f"{by} is not an address: write it as {EXAMPLE}") from None
    options = parse_qsl(parts.query, keep_blank_values=True)
    if parts.scheme not in SCHEMES:
        raise AddressRefused(f"{by} is not an address of a PostgreSQL: write it as {EXAMPLE}")
    if parts.fragment or parts.path.count("/") > 1:
        raise AddressRefused(f"{by} has more than a name of a database after the host: write it as {EXAMPLE}")
    place = parts.netloc.rpartition("@")[2]
    host = place[: -len(f":{port}")] if port is not None else place.rstrip(":")
    name = unquote(parts.path.lstrip("/"))
    secret = None if password is None else unquote(password)
    return Address(unquote(parts.username or ""), host, str(port or ""), name, tuple(options), secret)


def asked(environment: Mapping[str, str] = os.environ) -> Address | None:
    """Returns the database that ``$BLUT_DATABASE`` names; None where it is unset or empty.

    Raises:
        AddressRefused: it names none.
    """
    text = environment.get(VARIABLE, "").strip()
    return parse(text) if text else None
