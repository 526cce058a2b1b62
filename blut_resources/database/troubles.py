"""Says what is wrong with a database that cannot be used: which, the problem, the remedy."""

import re

from blut_resources.database.address import ELSEWHERE, Address
from blut_resources.files.durable import StoreError
from blut_resources.text import one_line

LOST = ("08", "57P01", "57P02", "57P03", "53300")
"""How the codes begin of connections that were not had or were lost: by the network, by a server that stops
or starts, or that has too many."""
GONE = re.compile(
    r"could not connect|connection (?:to server .*)?(?:refused|failed|timed out|reset)|timeout expired|"
    r"server closed the connection|terminating connection|starting up|shutting down|already closed|"
    r"could not (?:receive|send) data|no route to host|network is unreachable|connection not open|"
    r"too many clients|remaining connection slots|no connection to the server|SSL SYSCALL error|"
    r"could not translate host name|recovery mode|server conn crashed",
    re.IGNORECASE,
)
REFUSED = re.compile(
    r"password|authentication|does not exist|permission denied|pg_hba|is not permitted|certificate|"
    r'definition of service|service file|"\S+" not found',
    re.IGNORECASE,
)
"""What a server that answers says to whom it does not let in: no wait helps."""


class DatabaseTrouble(StoreError):
    """Says that the database cannot be used; the message names it, the problem and the remedy."""


class DatabaseAway(DatabaseTrouble):
    """Says that the database does not answer, which may pass by itself.

    Attributes:
        passes: by this word, what failed by it is tried again.
    """

    passes = "network"


def is_away(error: BaseException | None) -> bool:
    """Says whether an error is of a connection that was not had, or was lost."""
    while error is not None:
        said = getattr(error, "orig", None) or error
        if isinstance(error, DatabaseAway):
            return True
        if type(said).__module__.startswith("psycopg2"):
            code, words = getattr(said, "pgcode", None) or "", str(said)
            if code:
                return code.startswith(LOST)
            return GONE.search(words) is not None and REFUSED.search(words) is None
        error = error.__cause__ or error.__context__
    return False


def is_of_postgres(error: BaseException | None) -> bool:
    """Says whether PostgreSQL is the cause, however it is wrapped."""
    while error is not None:
        said = getattr(error, "orig", None) or error
        if type(said).__module__.startswith("psycopg2") or isinstance(error, DatabaseTrouble):
            return True
        error = error.__cause__ or error.__context__
    return False


def told(address: Address, error: BaseException) -> DatabaseTrouble:
    """Returns an error of the server or of its library in one sentence."""
    if isinstance(error, DatabaseTrouble):
        return error
    said = _root(error)
    words = _words(said)
    if is_away(error):
        return DatabaseAway(f"{address.words} does not answer ({words}); {_start(words)}")
    return DatabaseTrouble(
        f"{address.words}: {words}; {_remedy(address, getattr(said, 'pgcode', None), words)}"
    )


def _root(error: BaseException) -> BaseException:
    one: BaseException | None = error
    while one is not None:
        said = getattr(one, "orig", None) or one
        if type(said).__module__.startswith("psycopg2"):
            return said
        one = one.__cause__ or one.__context__
    return error


def _words(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # of several addresses of a host, the last is as good as any; the question that follows is not for a log
    text = next((line for line in lines if not line.startswith("Is the server")), type(error).__name__)
    return one_line(text.removeprefix("FATAL:  "), 300)


def _start(words: str) -> str:
    if "too many clients" in words or "connection slots" in words:
        return "it has too many connections: end what is idle, or raise its max_connections"
    if "translate host name" in words:
        return "correct the name of the host"
    return "start the server, or look at its log and at the network, then run the command again"


def _remedy(address: Address, code: str | None, words: str) -> str:
    user = address.user or "the user"
    if "database" in words and "does not exist" in words:
        at = f" -h {address.host}" if address.host else ""
        at += f" -p {address.port}" if address.port else ""
        owner = f" -O {address.user}" if address.user else ""
        return f"make it with `createdb{at}{owner} {address.name or address.user}`, as a user who may"
    if "role" in words and "does not exist" in words:
        return f"make that user with `createuser {user}`, or name another one in the address"
    if "no password supplied" in words or "password authentication failed" in words:
        return f"the password is not in the address: {ELSEWHERE}; libpq reads such a file if only you can"
    if code == "42501" or "permission denied" in words:
        return (
            f"let {user} make tables there: as its owner, GRANT ALL ON SCHEMA public TO {user} (psql"
            f" {address.name}), or make {user} the owner of the database"
        )
    if "pg_hba" in words:
        return "its pg_hba.conf lets nobody in from here under that name: add a line for it"
    if "service" in words:
        return "write it into ~/.pg_service.conf, or unset $PGSERVICE"
    return "look at the server's log"
