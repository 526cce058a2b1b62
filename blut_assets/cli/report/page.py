"""Writes a report as one HTML file that loads nothing, for a screen and for A4; escapes what others wrote."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from blut_assets.bundle.page import sections
from blut_assets.cli.report.gathered import LOOKED_AT, SHORT, Report, ReportedStep, ReportedVerdict
from blut_assets.cli.run.ancestry import filled
from blut_assets.pages.curves import data_uri, draw
from blut_assets.pages.document import document, facts, listed, section, short, table
from blut_assets.terminal.output import duration, moment, size
from blut_resources.text import html

STYLE = """
:root{color-scheme:light}body{background:#fff;color:#111}h3{font-size:1rem;margin:1.2rem 0 .3rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8em;background:#f6f6f6;padding:.6rem}
figure{margin:1rem 0;break-inside:avoid}figure img{max-width:100%;max-height:220mm}.small{font-size:.8em}
.digests td:nth-child(2){min-width:8em}.first td:first-child{min-width:11em}
@page{size:A4;margin:16mm}
@media print{body{font-size:10pt;line-height:1.35;margin:0;padding:0;max-width:none}
h2{break-before:page}.first h2{break-before:auto}h2,h3{break-after:avoid}tr,svg{break-inside:avoid}
pre{background:none;border:1px solid #ccc}}
"""
SAID = ("succeeded", "failed", "cancelled")
"""Outcomes that say no more than the state of the run."""
UNFINISHED = "It had not ended when this was written; what follows is as far as it had come."


def page(report: Report, written: float) -> str:
    """Returns the file.

    Args:
        written: now, in seconds since 1970.
    """
    parts = [
        '<div class="first">',
        *_head(report, written),
        *_part("What it was trained on" if report.trained else "What it was made of", _data(report.data)),
        *_part("Plan and cost", _cost(report.steps)),
        "</div>",
        *_part("Curves", *_curves(report.curves)),
        *_part("Verdict", *_verdict(report)),
        *_part("Pictures", *_pictures(report)),
        *_part("Lineage", _block("\n".join(report.lineage).strip())),
        *_part("How to repeat it", *_again(report)),
    ]
    return document(f"{report.model or report.title}: report", "".join(parts), STYLE, pictures=True)


def _part(title: str, *parts: str) -> list[str]:
    return section(title, *parts) if any(parts) else []


def _head(report: Report, written: float) -> list[str]:
    standing = report.standing
    name = f"{report.model}: {report.title}" if report.model not in ("", report.title) else report.title
    rows = facts(
        {
            "run": standing.get("id"),
            "where": standing.get("where"),
            "began": _moment(standing.get("started")),
            "took": duration(standing["seconds"]) if standing.get("seconds") is not None else None,
            "newest epoch": report.newest,
            "stands at": None if report.ended else standing.get("progress"),
            "outcome": report.outcome if report.outcome not in SAID else None,
            "report of": _moment(written),
        }
    )
    checks = [(one["check"], one["result"], one["why"]) for one in report.checks]
    missing = section("What is missing", listed(report.missing), level=3) if report.missing else []
    return [
        f"<h1>{html(name)}</h1>",
        f'<p class="verdict">{html(_state(report))}</p>',
        "" if report.ended else f"<p>{html(UNFINISHED)}</p>",
        _block(report.why),
        table(rows),
        table(checks, ("check", "result", "why")),
        *missing,
    ]


def _state(report: Report) -> str:
    if not report.standing:
        return "registered; its run is not known here"
    return str(report.standing["state"])


def _moment(t: float | None) -> str:
    return f"{moment(t)} {time.strftime('%Z', time.localtime(t))}" if t else ""


def _data(data: Sequence[ReportedStep]) -> str:
    rows = [(step.asset, step.digest[:SHORT], _told(step.facts)) for step in data]
    return f'<div class="digests">{table(rows, ("asset", "digest", "facts"))}</div>' if rows else ""


def _told(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {value}" for name, value in facts(values)) or "-"


def _cost(steps: Sequence[ReportedStep]) -> str:
    rows = [
        (
            step.asset,
            step.digest[:SHORT] or "-",
            step.result,
            duration(step.seconds),
            size(step.peak) if step.peak else "-",
            step.epochs or "-",
            *([step.job or "-"] if any(one.job for one in steps) else []),
        )
        for step in steps
    ]
    titles = ["asset", "digest", "what became of it", "computing took", "peak memory", "epochs"]
    titles += ["job"] if any(one.job for one in steps) else []
    if not rows:
        return ""
    return f'<div class="digests">{table(rows, titles)}</div><p>{html(_total(steps))}</p>'


def _total(steps: Sequence[ReportedStep]) -> str:
    def took(which: Sequence[ReportedStep]) -> str:
        return duration(sum(step.seconds or 0.0 for step in which))

    mine = [step for step in steps if step.mine]
    before = [step for step in steps if not step.mine and step.seconds is not None]
    computed = any(step.result != LOOKED_AT for step in mine)
    words = f"computing took {took(mine)} in this run" if computed else "nothing was computed in this run"
    return f"{words}; what was reused had taken {took(before)} before" if before else words


def _curves(curves: Mapping[str, list[dict[str, Any]]]) -> list[str]:
    return [
        figure
        for asset, rows in curves.items()
        for figure in (
            f"<h3>{html(asset)}</h3>",
            _figure(data_uri(draw(rows)), f"{asset}: metrics over {len(rows)} epochs; beside each its last"),
        )
    ]


def _figure(uri: str, about: str) -> str:
    return (
        f'<figure><img src="{html(uri)}" alt="{html(about)}"><figcaption>{html(about)}</figcaption></figure>'
    )


def _verdict(report: Report) -> list[str]:
    told = [part for one in report.judged for part in _judged(one)]
    texts = [
        part for asset, text in report.texts.items() for part in (f"<h3>{html(asset)}</h3>", _block(text))
    ]
    return [*told, *texts]


def _judged(one: ReportedVerdict) -> list[str]:
    digests = {"verdict": one.digest, "candidate": one.verdict.candidate}
    return [f"<p>on {html(one.verdict.model)}</p>", *sections(one.verdict, one.history, digests, level=3)]


def _pictures(report: Report) -> list[str]:
    return [_figure(one.uri, f"{one.asset}: {one.name.replace('_', ' ')}") for one in report.pictures]


def _again(report: Report) -> list[str]:
    about = report.environment
    git = about.get("git") or {}
    changed = f", with {len(git.get('changed') or ())} files changed" if git.get("dirty") else ""
    hardware = about.get("hardware") or {}
    rows = facts(
        {
            "commit": f"{git['commit']}{changed}" if git.get("commit") else None,
            "seed": about.get("seed"),
            "python": about.get("python"),
            "system": hardware.get("system"),
            "processor": hardware.get("cpu"),
            "cores": hardware.get("cores"),
            "memory": size(hardware["memory_bytes"]) if hardware.get("memory_bytes") else None,
            "gpus": _gpus(hardware),
        }
    )
    packages = " ".join(f"{name}=={version}" for name, version in (about.get("packages") or {}).items())
    return [
        _block("\n".join(report.commands)),
        "<p>What is stored already is reused; with --set reuse=never all of it is computed anew.</p>"
        if report.commands
        else "",
        table(rows),
        *(section("What it was told", _settings(report), level=3) if report.settings else ()),
        *(section("Packages", f'<p class="small">{html(packages)}</p>', level=3) if packages else ()),
    ]


def _settings(report: Report) -> str:
    if report.commands:  # they are there to be typed, these to be read
        return table(facts(filled(report.settings)))
    return _block(json.dumps(report.settings, indent=1, sort_keys=True, default=str))


def _gpus(hardware: Mapping[str, Any]) -> str:
    if not hardware:
        return ""
    return short(hardware.get("gpus") or []) or str(hardware.get("no_gpus") or "none")


def _block(text: str) -> str:
    return f"<pre>{html(text)}</pre>" if text else ""
