"""Asks a PostgreSQL database what a run will ask of it: version, rights, free connections, its clock."""

import time
from typing import Any, NamedTuple

import sqlalchemy
from sqlalchemy.exc import DBAPIError

from blut_resources.dagster_private import postgres_birth as birth
from blut_resources.database.address import Address
from blut_resources.database.connections import AT_MOST, to
from blut_resources.database.troubles import told

SKEW_S = 1.0
"""Seconds by which two clocks may differ."""
ASKED = """
SELECT current_setting('server_version') AS version, current_user AS who,
  has_schema_privilege(current_schema(), 'CREATE') AS creates,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
  extract(epoch FROM clock_timestamp())::float AS clock
"""
WRITES = """
SELECT coalesce(bool_and(has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE')), true)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = current_schema()
"""


class Health(NamedTuple):
    """Says what was found, in words, and what stands against a run, each with the remedy."""

    found: str
    faults: list[tuple[str, str]]


def health(address: Address) -> Health:
    """Returns how a database is.

    Raises:
        DatabaseTrouble: it cannot be used at all.
    """
    pool = to(address)
    there = birth.usable(pool)
    try:
        with pool.plain() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
            begun = time.time()
            row: Any = connection.execute(sqlalchemy.text(ASKED)).one()
            took = time.time() - begun
            writes = connection.execute(sqlalchemy.text(WRITES)).scalar()
            runs = (
                0
                if there.is_empty
                else connection.execute(sqlalchemy.text("SELECT count(*) FROM runs")).scalar()
            )
    except DBAPIError as error:
        raise told(address, error) from error
    finally:
        pool.close()
    faults: list[tuple[str, str]] = []
    if there.is_empty and not row.creates:
        faults.append((f"{row.who} may not make tables there", f"GRANT CREATE ON SCHEMA public TO {row.who}"))
    if not writes:
        faults.append((f"{row.who} may not write its tables", f"make {row.who} their owner, or GRANT it ALL"))
    free = row.most - row.used
    if free < AT_MOST + 1:
        few = f"{free} of {row.most} connections are free; a process of Blut takes up to {AT_MOST + 1}"
        faults.append((few, "end what is idle, or raise max_connections"))
    skew = row.clock - (begun + took / 2)
    if abs(skew) > SKEW_S + took:
        faults.append((f"its clock is {skew:+.1f} s from this machine's", "set both by NTP"))
    made = "no tables yet" if there.is_empty else f"{runs} runs"
    words = f"{address.words}, PostgreSQL {row.version.split()[0]}, {made}, answers in {took * 1000:.1f} ms"
    return Health(f"{words}, {row.used} of {row.most} connections used", faults)
