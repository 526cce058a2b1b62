"""What is asked of each command of `blut` in somebody's home, and what it may end with."""

from typing import NamedTuple

LISTED, TOLD, REFUSED = (0,), (0, 1), (1, 2)


class Asked(NamedTuple):
    """One call. ``{run}`` is a run in the home, ``{scratch}`` a directory beside it.

    ``statuses``: of a home in which there is something of Blut's only by chance. A command that ``writes``
    may change the home, and is refused where that cannot be written. One that has nothing to do with a
    home is asked in one only; so is one that is slow to load, and looks for a model as others do.
    """

    words: str
    statuses: tuple[int, ...] = LISTED
    writes: bool = False
    everywhere: bool = True


ASKED = {
    "init": Asked("{scratch}/new", writes=True, everywhere=False),
    "cookbook new": Asked("mybook {scratch}/mybook", writes=True, everywhere=False),
    "cookbook check": Asked("", TOLD, everywhere=False),
    "recipe list": Asked("", everywhere=False),
    "recipe show": Asked("neighbour_line", everywhere=False),
    "recipe template": Asked("neighbour_line", everywhere=False),
    "recipe partitions": Asked("neighbour_line", TOLD),
    "recipe run": Asked("neighbour_line", writes=True),
    "config show": Asked("neighbour_line --origin", everywhere=False),
    "sweep list": Asked(""),
    "sweep show": Asked("none", REFUSED),
    "sweep results": Asked("none", REFUSED),
    "sweep best": Asked("none", REFUSED),
    "sweep resume": Asked("none", REFUSED, writes=True),
    "sweep cancel": Asked("none", REFUSED, writes=True),
    "plan inspect": Asked("neighbour_line"),
    "plan resume": Asked("{run}", TOLD, writes=True),
    "jobs": Asked(""),
    "log": Asked("{run}", TOLD),
    "cancel": Asked("{run}", TOLD, writes=True),
    "results": Asked("{run}", TOLD),
    "report": Asked("{run} -o {scratch}/report.html", TOLD),
    "runs diff": Asked("{run} {run}", TOLD),
    "runs prune": Asked("--keep-days 1", TOLD),
    "runs export": Asked("{run} --as tensorboard -o {scratch}/logs", (0, 1, 2), everywhere=False),
    "runs tell": Asked("{run}", (0, 1, 2), writes=True),
    "lineage": Asked("neighbour/line", TOLD),
    "stage list": Asked("", everywhere=False),
    "stage run": Asked("neighbour/line", writes=True),
    "footprint list": Asked(""),
    "launch orphans": Asked(""),
    "launch sync": Asked("mine", REFUSED, everywhere=False),
    "footprint show": Asked("neighbour/line", TOLD),
    "footprint forget": Asked("neighbour/line", TOLD, writes=True),
    "data list": Asked(""),
    "data add": Asked("mine {scratch}/rows.jsonl", TOLD, writes=True),
    "data show": Asked("mine", REFUSED),
    "data check": Asked("mine", REFUSED),
    "data rm": Asked("mine", REFUSED, writes=True),
    "data split export": Asked("mine {scratch}/split.json", REFUSED),
    "model promote": Asked("mine@prod 1 --why because", REFUSED, writes=True),
    "model rollback": Asked("mine@prod --why because", REFUSED, writes=True),
    "model drop": Asked("mine@prod --why because", REFUSED, writes=True),
    "model retire": Asked("mine@1", REFUSED, writes=True),
    "model govern": Asked("mine@prod --show"),
    "model list": Asked(""),
    "model show": Asked("mine@prod", REFUSED),
    "model resolve": Asked("mine@prod", REFUSED),
    "model export": Asked("mine@prod {scratch}/handed", REFUSED),
    "model history": Asked("mine", REFUSED),
    "verdict keygen": Asked("{scratch}/key", writes=True, everywhere=False),
    "verdict export": Asked("mine@prod {scratch}/verdict.zip --key {scratch}/key", REFUSED),
    "verdict verify": Asked("{scratch}/rows.jsonl", REFUSED, everywhere=False),
    "database show": Asked(""),
    "database copy": Asked("postgresql://nobody@127.0.0.1:1/none", REFUSED, writes=True),
    "cache show": Asked(""),
    "cache verify": Asked(""),
    "cache prune": Asked("--newest 1 --dry-run", TOLD),
    "cache stats": Asked("{run}", TOLD),
    "hpo run": Asked("neighbour_line --space nothing=choice(a,b)", REFUSED, writes=True),
    "cache push": Asked("--all", REFUSED, writes=True),
    "cache pull": Asked("--all", REFUSED, writes=True),
    "cache sync": Asked("--all", REFUSED, writes=True),
    "policy show": Asked("", everywhere=False),
    "policy enable": Asked("night --recipe neighbour_line --max-age 1d", writes=True, everywhere=False),
    "policy disable": Asked("night", TOLD, writes=True, everywhere=False),
    "policy check": Asked("", TOLD),
    "alerts check": Asked("", (0, 1)),
    "alerts test": Asked("", REFUSED, writes=True, everywhere=False),
    "auto": Asked("", TOLD, writes=True),
    "doctor": Asked("", TOLD),
    "codec encode": Asked("{scratch}/none.edf -m mine@prod", REFUSED, everywhere=False),
    "codec decode": Asked("{scratch}/none.lqc -m mine@prod", REFUSED, everywhere=False),
    "codec info": Asked("{scratch}/rows.jsonl", REFUSED, everywhere=False),
    "codec verify": Asked("{scratch}/none.lqc -m mine@prod", REFUSED, everywhere=False),
    "codec compare": Asked("{scratch}/none.edf {scratch}/none2.edf -m mine@prod", REFUSED, everywhere=False),
    "codec export": Asked("mine@prod {scratch}/decoder", REFUSED, everywhere=False),
}
ELSEWHERE = {"ui", "tui"}
"""They do not end by themselves; `test_deployment` has the first, `test_cockpit` the other."""
EMPTY = ("jobs", "results", "data list", "model list", "cache show", "recipe list", "doctor")
"""Commands that are asked where there is no home yet."""
