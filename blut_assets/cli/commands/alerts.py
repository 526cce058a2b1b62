"""Implements `blut alerts check|test`: who is told of what failed, and whether that arrives."""

import datetime as dt
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, ago, columns, print_json, wrong
from blut_resources.text import meant

if TYPE_CHECKING:
    import dagster as dg

    from sensors.alerts.ledger import AlertState
    from sensors.alerts.settings import AlertSettings, Hook, HookProblem

app = group("Who is told of what failed.")
LATE_S = 210.0
"""Seconds without a tick after which nobody counts on the daemon."""


@app.command()
def check(as_json: AsJson = False) -> None:
    """Say which hooks there are, of what each is told, when it last was, and who does it.

    Status 2 if the settings cannot be used as they are, 1 if nobody is told at all.
    """
    from blut_resources.dagster_private.instigators import close
    from blut_resources.instance.instance import home_of, open_instance
    from sensors.alerts.ledger import read
    from sensors.alerts.settings import settings_path

    settings, problems = _usable()
    with open_instance(write=False) as instance:
        state, who = read(home_of(instance)), _who_tells(instance)
        close(instance)
    rows = [_row(hook, state) for hook in settings.hook]
    notes = [note for hook in settings.hook for note in _notes(hook)]
    if as_json:
        print_json(
            {
                "file": str(settings_path()),
                "hooks": rows,
                "told_by": who,
                "problems": [*map(str, problems), *notes],
            }
        )
    else:
        if rows:
            typer.echo(columns([_shown(row) for row in rows]))
            typer.echo(f"{'of every run of the instance' if settings.all_runs else 'of runs of Blut'}; {who}")
        else:
            typer.echo(f"nobody is told: there is no hook in {settings_path()}")
        for line in [*map(str, problems), *notes]:
            typer.echo(line, err=True)
    if problems or not rows:
        raise typer.Exit(2 if problems else 1)


@app.command()
def test(
    hook: Annotated[str | None, typer.Argument(metavar="HOOK", help="Only this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a test alert to each hook, now, and say whether it arrived. Status 1 if one did not.

    A hook that is wrong in the settings cannot get one: status 1, and 2 if it is the one that is asked for.
    """
    from sensors.alerts.settings import settings_path

    settings, problems = _usable()
    for problem in problems:
        typer.echo(problem.text, err=True)
    names = [one.name for one in settings.hook]
    mine = [one for one in problems if hook in (None, one.hook)]
    if hook is not None and hook not in names:
        if mine:
            wrong(f"hook {hook!r} cannot be told of anything before that is corrected")
        names += sorted({one.hook for one in problems if one.hook} - {*names})
        there = f"there are {', '.join(names)}" if names else f"there is none in {settings_path()}"
        wrong(f"no hook is called {hook!r}{meant(hook, names)}; {there}")
    chosen = [one for one in settings.hook if hook in (None, one.name)]
    if not chosen:
        wrong(f"nobody is told: there is no hook in {settings_path()}")
    rows = [_sent(one) for one in chosen]
    _note(rows)
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            said = "told" if row["told"] else f"NOT told: {row['reason']}"
            typer.echo(f"{row['hook']} ({row['way']}): {said}, in {row['seconds']:.1f} s")
    if mine or not all(row["told"] for row in rows):
        raise typer.Exit(1)


def _usable() -> "tuple[AlertSettings, list[HookProblem]]":
    from blut_resources.files.named import PathRefused
    from sensors.alerts.settings import AlertSettingsError, settings_path, usable

    try:
        return usable(settings_path())
    except (AlertSettingsError, PathRefused) as error:
        wrong(str(error))


def _who_tells(instance: "dg.DagsterInstance") -> str:
    """Says whether the daemon tells the hooks, or commands alone."""
    from blut_resources.dagster_private.instigators import began, is_off, sensors_of
    from sensors.alerts.at_end import switched_off
    from sensors.alerts.telling import NAME

    if switched_off(instance):
        return f"nobody tells them: the sensor {NAME} is switched off, under Automation in the UI"
    ticks = [began(one) for one in sensors_of(instance) if one.instigator_name == NAME and not is_off(one)]
    last = max(ticks, default=0.0)
    if time.time() - last <= LATE_S:
        return f"the daemon tells them (last tick {ago(last)}), and so does each command when it ends"
    return "no daemon ticks: each command that runs something tells them when it ends"


def _row(hook: "Hook", state: "AlertState") -> dict[str, Any]:
    from sensors.alerts.ledger import Deliveries

    told = state.hooks.get(hook.name, Deliveries())
    return {
        "hook": hook.name,
        "way": hook.way,
        "on": list(hook.on),
        "recipes": list(hook.recipes),
        "not_recipes": list(hook.not_recipes),
        "told": told.told or None,
        "failed": told.failed or None,
        "reason": told.reason,
        "owed": sum(one.hook == hook.name for one in state.owed),
    }


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    from sensors.alerts.alert import EVENTS

    what = "all" if set(row["on"]) == set(EVENTS) else ", ".join(row["on"])
    of = ", ".join(row["recipes"]) or "all"
    without = f" but {', '.join(row['not_recipes'])}" if row["not_recipes"] else ""
    failed = f"{ago(row['failed'])}: {row['reason']}" if row["failed"] else "-"
    return {
        **{"hook": row["hook"], "way": row["way"], "of": what, "recipes": of + without},
        **{"last told": ago(row["told"]) if row["told"] else "never", "last failed": failed},
        "owed": row["owed"],
    }


def _notes(hook: "Hook") -> Sequence[str]:
    """Returns what of a hook may not work from here, a line each."""
    from blut_assets.definitions import discovered
    from sensors.policy.file import PolicyError, policy_path, read

    variable = hook.secret_env if hook.webhook else hook.url_env
    notes = []
    if variable and not os.environ.get(variable):
        notes.append(f"hook {hook.name}: ${variable} is not set here; the daemon may have it")
    known = {one.name for book in discovered.cookbooks for one in (*book.recipes, *book.jobs)}
    try:
        known |= read(policy_path()).policies.keys()
    except PolicyError:  # which says so itself
        return notes
    return notes + [
        f"hook {hook.name}: {name!r} is no recipe, job or policy here{meant(name, known)}"
        for name in (*hook.recipes, *hook.not_recipes)
        if name not in known
    ]


def _sent(hook: "Hook") -> dict[str, Any]:
    import socket

    from blut_resources.files.private import user_name
    from sensors.alerts.alert import TEST, Alert
    from sensors.alerts.delivery import NotDelivered, deliver

    alert = Alert(
        id=f"test:{time.time():.3f}",
        event=TEST,
        at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        run="",
        job="",
        message="A test: nothing has failed.",
        by=f"{user_name(os.geteuid())}@{socket.gethostname()}: blut alerts test",
    )
    began, reason = time.monotonic(), ""
    try:
        deliver(hook, alert)
    except NotDelivered as error:
        reason = str(error)
    seconds = time.monotonic() - began
    return {"hook": hook.name, "way": hook.way, "told": not reason, "reason": reason, "seconds": seconds}


def _note(rows: list[dict[str, Any]]) -> None:
    """Keep what became of a test, for `check`; where nothing can be kept, the words on the terminal do."""
    import contextlib

    from blut_resources.files.durable import StoreError
    from blut_resources.instance.home import find_home, is_home
    from blut_resources.instance.instance import open_instance
    from sensors.alerts import ledger
    from sensors.alerts.telling import begin

    home = find_home()
    if not is_home(home):
        return
    with contextlib.suppress(StoreError), open_instance() as instance:
        begin(instance)
    with contextlib.suppress(StoreError), ledger.held(home, 5.0) as mine:
        state = ledger.read(home)
        if not mine or not state.since:
            return
        for row in rows:
            told = state.hooks.setdefault(row["hook"], ledger.Deliveries())
            if row["told"]:
                told.told = time.time()
            else:
                told.failed, told.reason = time.time(), row["reason"]
        ledger.write(home, state)
