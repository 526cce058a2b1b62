"""Shows the cockpit on the screen: keys, one board of lines, and a sentence below it."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.app import App, ComposeResult
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from blut_assets.cli.cockpit import cancelling, starting
from blut_assets.cli.cockpit.chart import SIGNS
from blut_assets.cli.cockpit.drawing import BAD, GOOD, HEAD, WAITS, DrawnRow, cut, speaks_braille, wrapped
from blut_assets.cli.cockpit.exporting import TypedExport
from blut_assets.cli.cockpit.launch_flow import FORM, PLAN, RECIPES, LaunchFlow
from blut_assets.cli.cockpit.lineage import LineageView
from blut_assets.cli.cockpit.messages import CancelDone, CommandDone, LookDone, StartDone
from blut_assets.cli.cockpit.models import TypedConsent
from blut_assets.cli.cockpit.pane import LookWanted, Rows, filtered, fuzzy
from blut_assets.cli.cockpit.panes import PANES, TrialsView
from blut_assets.cli.cockpit.reader import CockpitLook, CockpitReader
from blut_assets.cli.cockpit.results import row_key
from blut_assets.cli.cockpit.typed import TypedAnswer, ordered
from blut_assets.terminal.output import counted

TICK_S = 1.0
OTHER = {"L": "e", "M": "l"}
"""By view the key that shows its other form."""
OF_RUN = ("L", "M", "G", "I", "H")
"""Views of the chosen run."""
NO_CHOICE = ("L", "M", "G")
"""Those in which no other one can be chosen."""
OF_MARKED = ("M", "C")
"""Views of the marked runs."""
TRIALS = TrialsView.key
LINEAGE = LineageView.key
RUNS = ("J", "H", TRIALS)
"""Views in which a run can be cancelled."""
CHOSEN, UNCHOSEN, MARKED = "> ", "  ", "*"
STYLES = {
    GOOD: Style(color="green"),
    BAD: Style(color="red"),
    WAITS: Style(color="yellow"),
    HEAD: Style(bold=True),
}
"""Of the sixteen colours, as the terminal has them."""
HERE = Style(reverse=True)
AROUND = 4
"""Lines that are no rows: title, columns, sentence, keys."""
HINT = "J L M B V R D G I C A H Y S  / filter  space mark  c cancel  ? keys  q quit"
WHILE_TYPING = ("up", "down", "pageup", "pagedown", "enter")
"""Keys that choose a recipe while some of its letters are typed."""
HELD_S = 10.0
"""Seconds for which what a key has done is told, whatever is read meanwhile."""
AGES_S = 10
"""Seconds after which ages are told anew where nothing else has changed."""


class CockpitBoard(Widget):
    """Shows lines; only those on the screen are drawn."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[tuple[str, Style]] = []

    def show(self, lines: list[tuple[str, Style]]) -> None:
        """Show other lines, if they are others."""
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def text(self) -> list[str]:
        """Returns the lines without their styles."""
        return [line for line, _ in self._lines]

    def render_line(self, y: int) -> Strip:
        """Returns a line of the widget."""
        text, style = self._lines[y] if y < len(self._lines) else ("", Style())
        return Strip([Segment(text, style)]).adjust_cell_length(self.size.width, style)


class Cockpit(App[None]):
    """Shows one view at a time of what the reader has read; it waits for nothing."""

    CSS = "Screen { background: ansi_default; color: ansi_default; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, pane: str = "J", clock: Callable[[], float] = time.monotonic) -> None:
        """Take the view to show first."""
        super().__init__(ansi_color=True)
        self.animation_level = "none"
        self.pane, self.run_id, self._back = pane, "", list[tuple[str, str]]()
        self._turned, self._marked = set[str](), list[str]()
        self._sweep, self._artifact = "", ""
        self._consent, self._export = TypedConsent(), TypedExport()
        self.reader, self.board = CockpitReader(lambda found: self._hand(LookDone(found))), CockpitBoard()
        self._braille, self._clock = speaks_braille(os.environ), clock
        self.flow = LaunchFlow()
        self._rows: dict[str, Rows] = {}
        self._rows_of: dict[str, LookWanted] = {}
        self._reads = 0
        self._shown: list[DrawnRow] = []
        self._cursor, self._top, self._follows = "", 0, True
        self._filter, self._typing = "", pane == RECIPES
        self._entries: list[DrawnRow] = []
        self._entries_of: tuple[object, ...] = ()
        self._held_until = 0.0
        self._said, self._asked_until, self._doomed, self._ending = "", 0.0, ("", ""), 0.0
        self._read_at, self._anew = 0.0, False

    def _hand(self, message: Message) -> None:
        with contextlib.suppress(Exception):  # the screen may be gone by now
            self.post_message(message)

    def compose(self) -> ComposeResult:
        """Yields the board."""
        yield self.board

    def on_mount(self) -> None:
        """Draw the frame first, and then begin to load what takes a second or more."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGHUP, signal.SIGTERM):
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
                loop.add_signal_handler(number, self.exit)
        self._draw()
        self.call_after_refresh(self._begin)
        self.set_interval(TICK_S, self._tick)

    def _begin(self) -> None:
        self.reader.start()
        self._ask()

    def wanted(self) -> LookWanted:
        """Returns what is to be read for what is shown."""
        asked = " ".join(self._marked) if self.pane in OF_MARKED else self.flow.asked(self.pane)
        asked = {TRIALS: self._sweep, LINEAGE: self._artifact}.get(self.pane, asked)
        return LookWanted(self.pane, self.run_id, self.pane in self._turned, asked)

    def _ask(self) -> None:
        if self.reader.ask(replace(self.wanted(), anew=self._anew)):
            self._anew = False

    def _tick(self) -> None:
        if self._asked_until and self._clock() > self._asked_until:
            self._asked_until = 0.0
            self._say("not cancelled: Enter did not come within 3 s")
        if self._ending:
            waits = self._clock() - self._ending
            self._say(f"run {self._doomed[0][:8]} is ending, with time for its checkpoint: {waits:.0f} s")
        self._ask()
        self._draw()

    def on_look_done(self, message: LookDone) -> None:
        """Take what the reader has handed over."""
        self.take(message.found)

    def take(self, found: CockpitLook) -> None:
        """Show what was read, also of a view that was left meanwhile."""
        wanted = replace(found.wanted, anew=False)
        if found.rows is not None:
            self._rows[wanted.pane], self._rows_of[wanted.pane] = found.rows, wanted
            self._reads += 1
        if wanted.pane == self.pane:
            self._read_at = found.at
            if self._clock() > self._held_until and not self._asked_until:
                self._said = found.said or (self._said if found.rows is None else "")
        if wanted != self.wanted():
            self._ask()
        if found.rows is not None or found.said:  # else the next tick tells the time
            self._draw()

    def on_cancel_done(self, message: CancelDone) -> None:
        """Take what became of a run."""
        self._ending = 0.0
        self._say(message.said)
        self._draw()

    def on_command_done(self, message: CommandDone) -> None:
        """Take what a command said, and look anew at what is shown."""
        self._anew = True
        self._ask()
        self._say(message.said)
        self._draw()

    def on_start_done(self, message: StartDone) -> None:
        """Take what became of a run that was to be started, and show it among the jobs."""
        self.flow.starting = False
        if message.run and self.pane == PLAN:
            self._back = []
            self._turn("J")
            self._cursor = message.run
        self._say(message.said)
        self._draw()

    def _say(self, text: str) -> None:
        self._said, self._held_until = text, self._clock() + HELD_S

    def on_resize(self, event: events.Resize) -> None:
        """Draw to the new size."""
        self._draw()

    def _draw(self) -> None:
        width, height = self.size.width, self.size.height
        if width <= len(CHOSEN) or not height:
            return
        pane, inner = PANES[self.pane], width - len(CHOSEN)
        rows = self._rows.get(self.pane)
        of = (
            self.pane,
            rows is None,
            self._reads,
            inner,
            int(time.time()) // AGES_S,
            self.flow.asked(self.pane),
        )
        if of != self._entries_of:
            shown = self.flow.draft.over(rows) if rows and self.pane == FORM else rows or []
            self._entries, self._entries_of = pane.draw(shown, inner, self._braille) if shown else [], of
        self._shown = (fuzzy if self.pane == RECIPES else filtered)(self._entries, self._filter)
        below = wrapped(self._sentence(), width)[: max(1, height - AROUND)]
        room = max(1, height - AROUND + 1 - len(below))
        self._place(room)
        body = self._body()
        if not body:
            body = [(cut(UNCHOSEN + self._nothing(rows, pane.nothing), width), Style())]
        body = body[self._top : self._top + room]
        body += [("", Style())] * (room - len(body))
        title = self.flow.title(self.pane) if self.pane in (FORM, PLAN) else f"blut {pane.key} {pane.title}"
        title = f"blut {pane.title} of sweep {self._sweep[:8]}" if self.pane == TRIALS else title
        title += f"  run {self._run_shown()[:8]}" if self.pane == "L" else ""
        title += f"  {counted(len(self._marked), 'run')} marked" if self._marked else ""
        title += (
            f"  filter: {self._filter}{'_' if self._typing else ''}" if self._filter or self._typing else ""
        )
        head = cut(UNCHOSEN + pane.head(inner), width).rstrip()
        lines = [(cut(title, width), STYLES[HEAD]), (head, STYLES[HEAD]), *body]
        lines += [*((line, Style()) for line in below), (cut(HINT, width), STYLES[HEAD])]
        self.board.show(lines[:height] if height >= AROUND else lines[-height:])

    def _nothing(self, rows: Rows | None, words: str) -> str:
        if rows is None:
            return "not read" if self._said else "reading ..."
        return f"nothing contains {self._filter!r}" if self._filter and rows else words

    def _run_shown(self) -> str:
        return self.run_id or next((one.run for one in self._shown), "")

    def _sentence(self) -> str:
        if late := self.reader.late_s():
            if not self._read_at:
                return f"still loading, or waiting for a locked database: {late:.0f} s so far"
            return f"still reading after {late:.0f} s, which a locked database makes; this is of before"
        if asks := self._asks():
            return asks.shown()
        if self._said:
            return self._said
        if told := self.flow.sentence(self.pane, self._cursor, self._rows.get(self.pane, [])):
            return told
        read = time.strftime("%H:%M", time.localtime(self._read_at)) if self._read_at else ""
        return f"{counted(len(self._shown), 'row')}, looked at {read}" if read else "loading Dagster ..."

    def _asks(self) -> TypedAnswer | None:
        """Returns what a line is being typed for, if one is."""
        return next((one for one in (self._consent, self._export) if one.about), None)

    def _body(self) -> list[tuple[str, Style]]:
        found: list[tuple[str, Style]] = []
        for one in self._shown:
            chosen = one.key == self._cursor
            tone, marked = STYLES.get(one.tone, Style()), one.run in self._marked
            first = (CHOSEN if chosen else UNCHOSEN)[0] + (MARKED if marked else UNCHOSEN[1])
            found.append((first + one.lines[0], HERE if chosen else tone))
            found += [(UNCHOSEN + line, tone) for line in one.lines[1:]]
        return found

    def _place(self, room: int) -> None:
        """Keep the cursor on its row, and its row on the screen."""
        if not self._shown:
            self._top = 0
            return
        if self.pane == "L" and self._follows:
            self._cursor = self._shown[-1].key
        at = self._at()
        self._cursor = self._shown[at].key
        first = sum(len(one.lines) for one in self._shown[:at])
        last = first + len(self._shown[at].lines)
        self._top = min(self._top, first)
        self._top = max(self._top, min(first, last - room))

    def _at(self) -> int:
        return next((n for n, one in enumerate(self._shown) if one.key == self._cursor), 0)

    def _move(self, rows: int) -> None:
        if self._shown:
            at = min(len(self._shown) - 1, max(0, self._at() + rows))
            self._cursor, self._follows = self._shown[at].key, at == len(self._shown) - 1

    def on_key(self, event: events.Key) -> None:
        """Do what a key means."""
        event.stop()
        event.prevent_default()
        key, letter = event.key, event.character if event.is_printable else None
        if key == "ctrl+z":
            self.action_suspend_process()
        elif asks := self._asks():
            if said := asks.key(key, letter, lambda said: self._hand(CommandDone(said))):
                self._say(said)
        elif self._asked_until:
            self._confirm(key)
        elif self.pane == FORM and self.flow.draft.editing:
            self.flow.draft.key(key, letter)
            self._ask()
        elif self._typing and not (self.pane == RECIPES and key in WHILE_TYPING):
            self._type(key, letter)
        elif key in ("q", "ctrl+c", "ctrl+q"):
            self.exit()
        elif self._flows(key, letter):
            self._ask()
        elif letter and letter in PANES:
            self._open(letter)
        elif letter == "P":  # the recipes, to look at: no letter is taken for a part of a name
            self._open(RECIPES)
            self._typing = False
        else:
            self._do(key, letter)
        self._draw()

    def _flows(self, key: str, letter: str | None) -> bool:
        """Do what a key means on the way from a recipe to its run; says whether it means something there."""
        if self.pane not in (RECIPES, FORM, PLAN):
            return False
        rows, current = self._rows.get(self.pane, []), self._rows_of.get(self.pane) == self.wanted()
        chosen = self._shown[self._at()].key if self._shown else ""
        step = self.flow.key(self.pane, key, letter, chosen, rows, current=current)
        if step is None:
            return False
        self._said = ""
        if step.pane:
            self._rows.pop(step.pane, None)
            self._open(step.pane)
        if step.said:
            self._say(step.said)
        if step.starts:
            recipe, args, partition = json.loads(self.flow.draft.chosen)
            starting.start(recipe, args, partition, lambda run, said: self._hand(StartDone(run, said)))
        return True

    def _do(self, key: str, letter: str | None) -> None:
        page = max(1, self.size.height - AROUND)
        moves = {"up": -1, "down": 1, "pageup": -page, "pagedown": page, "home": -(10**6), "end": 10**6}
        moves |= {"k": -1, "j": 1}
        if key in moves:
            self._move(moves[key])
        elif key == "enter":
            self._enter()
        elif key == "escape":
            self._leave()
        elif letter == "/":
            self._typing = True
        elif letter == "c":
            self._ask_to_cancel()
        elif letter and letter == OTHER.get(self.pane):
            self._turned ^= {self.pane}
            self._rows.pop(self.pane, None)
            self._ask()
        elif letter == " ":
            self._mark()
        elif letter == "p" and self.pane == "D":
            if asks := self._consent.ask(self._cursor):
                self._say(asks)
        elif letter == "p" and self.pane == "B":
            self._plan_again()
        elif letter == "x":
            self._ask_to_export()
        elif letter == "v" and self.pane == LINEAGE and (one := self._chosen()) and one.artifact:
            self._say(f"comparing the bytes of {one.artifact[:12]} with its digest ...")
            ordered(["cache", "verify", one.artifact], lambda said: self._hand(CommandDone(said)))
        elif letter == "r":
            self._anew = True
            self._ask()

    def _chosen(self) -> DrawnRow | None:
        return self._shown[self._at()] if self._shown else None

    def _plan_again(self) -> None:
        """Open the plan of a run with the args of the chosen result."""
        one = self._chosen()
        row = next((row for row in self._rows.get("B", ()) if one and row_key(row) == one.key), None)
        if row is not None:
            self.flow.again(row["recipe"], row["all_args"], row["partition"])
            self._rows.pop(PLAN, None)
            self._open(PLAN)

    def _ask_to_export(self) -> None:
        """Ask where the marked runs, or else the chosen one, are to be written."""
        one = self._chosen()
        if runs := " ".join(self._marked) or (one.run if one else ""):
            self._export.begin(runs)
        else:
            self._say("no run is behind this row, so there is nothing to export")

    def _mark(self) -> None:
        """Mark the chosen run, or no more."""
        run = self._shown[self._at()].run if self._shown else ""
        if run in self._marked:
            self._marked.remove(run)
        elif not run:
            self._say("no run is behind this row, so there is nothing to mark")
        elif len(self._marked) == len(SIGNS):
            self._say(f"{len(SIGNS)} runs are marked already; space on one of them takes its mark away")
        else:
            self._marked.append(run)
        for pane in OF_MARKED:
            self._rows.pop(pane, None)

    def _type(self, key: str, letter: str | None) -> None:
        if self.pane == RECIPES:
            self._cursor = ""  # the one that fits best
        if key == "escape":
            self._filter, self._typing = "", False
        elif key == "enter":
            self._typing = False
        elif key in ("backspace", "ctrl+h"):
            self._filter = self._filter[:-1]
        elif letter:
            self._filter += letter

    def _open(self, pane: str) -> None:
        one = self._chosen()
        if pane in OF_RUN and self.pane not in NO_CHOICE:
            self._choose_run((one.run if one else "") or self.run_id)
        artifact = one.artifact if one and pane == LINEAGE else ""
        if pane != self.pane or artifact != self._artifact:
            self._back.append((self.pane, self._artifact))
        self._turn(pane, artifact)

    def _choose_run(self, run: str) -> None:
        if run != self.run_id:
            for pane in OF_RUN:
                self._rows.pop(pane, None)
        self.run_id, self._follows = run, True

    def _turn(self, pane: str, artifact: str = "") -> None:
        if artifact != self._artifact:
            self._rows.pop(LINEAGE, None)
        self._artifact = artifact
        self.pane, self._cursor, self._top, self._filter = pane, "", 0, ""
        self._typing = pane == RECIPES
        self._said, self._held_until = "", 0.0
        self._ask()

    def _enter(self) -> None:
        if self.pane in ("L", FORM, PLAN, RECIPES) or not self._shown:
            return
        one = self._shown[self._at()]
        if one.run:
            self._open("L")
        elif any(row["id"] == one.key and "trials" in row for row in self._rows.get("J", ())):
            self._sweep = one.key
            self._rows.pop(TRIALS, None)
            self._open(TRIALS)
        else:
            self._say("no run is behind this row")

    def _leave(self) -> None:
        if self._filter:
            self._filter = ""
        elif self._back:
            self._turn(*self._back.pop())

    def _ask_to_cancel(self) -> None:
        if self._ending:
            return
        chosen = self._shown[self._at()].run if self._shown and self.pane in RUNS else ""
        row = next((one for one in self._rows.get(self.pane, []) if one["id"] == chosen), None)
        if row is None or row["live"] is None:
            self._say("nothing to cancel: choose a run at work among the jobs (J)")
            return
        self._doomed, self._asked_until = (row["id"], row["state"]), self._clock() + cancelling.WITHIN_S
        self._say(f"{cancelling.lost(row, time.time())}. Enter within 3 s does it")

    def _confirm(self, key: str) -> None:
        in_time, self._asked_until = self._clock() <= self._asked_until, 0.0
        if key != "enter" or not in_time:
            self._say("not cancelled")
            return
        self._ending = self._clock()
        self._say(f"run {self._doomed[0][:8]} is ending, with time for its checkpoint")
        cancelling.cancel(*self._doomed, lambda said: self._hand(CancelDone(said)))
