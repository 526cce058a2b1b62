"""The same linear graph for Blut and for its peers: stage k reads 1 MiB from stage k - 1 and writes 1 MiB.

Every stage of every tool is a Python process of its own that runs the same lines and notes in a log that it
ran. A stage is changed by editing its source.
"""

import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.homes import make_home
from bench.measure import REPOSITORY, Run, run

SIZE = 1 << 20

BODY = '''\
"""One stage: what the stage above made, with a line put before it."""

import os
import sys
import time
from pathlib import Path


def make(above, out):
    with open(os.environ["CHAIN_LOG"], "a") as log:
        log.write(f"{name} {{time.time()}}\\n")
    mark = b"{name} {word}\\n"
    Path(out).write_bytes(mark + Path(above).read_bytes()[: {size} - len(mark)])
'''

PEER_MAIN = """

if __name__ == "__main__":
    make(sys.argv[1], sys.argv[2])
"""

BLUT_MAIN = """

def main():
    from blut_resources.payload_kit.session import payload_session

    with payload_session() as session:
        make(session.inputs["above"] / "data", session.out / "data")
        session.done(size={size})


if __name__ == "__main__":
    main()
"""

BLUT_HEAD = """\
import shutil

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages.handles import HANDLES
from blut_assets.recipes import Recipe, RecipeArgs
from blut_assets.stages import Steps, stage_asset


class Megabyte(Artifact):
    kind = "bench.megabyte"
    size: int


@stage_asset(cookbook="bench_chain", group="sources", source=True)
def raw(stage) -> Megabyte:
    shutil.copyfile({raw!r}, stage.out / "data")
    return Megabyte(size={size})
"""

BLUT_STAGE = """

@stage_asset(
    cookbook="bench_chain", group="chain", payloads=["bench_chain.{name}"], ins={{"above": "{above}"}}
)
def {name}(stage, above: Megabyte) -> Steps[Megabyte]:
    facts = yield from stage.run("bench_chain.{name}", config={{}}, inputs={{"above": stage.open(above)}})
    return Megabyte(**facts)
"""

BLUT_TAIL = """

assets = [raw, {names}]
recipe = Recipe("bench_chain", "bench", "A chain.", RecipeArgs, assets, Megabyte, lambda args: {{}})
defs = dg.Definitions(
    assets=assets,
    resources={{"blut_handles": HANDLES}},
    executor=dg.in_process_executor,
    jobs=[recipe.job()],
)
"""

DRIVE = """\
from blut_resources.dagster_private.startup import without_collector
with without_collector():
    from bench_chain.defs import defs
    from blut_resources.dagster_private.sparing import spared
    from blut_resources.instance.instance import open_instance
with open_instance() as instance, spared(instance):
    assert defs.resolve_job_def("bench_chain").execute_in_process(instance=instance).success
"""


class Tool(ABC):
    """One tool on one chain in an empty directory."""

    title = ""
    main = PEER_MAIN

    def __init__(self, directory: Path, stages: int) -> None:
        self.directory = directory
        self.sources = self.source_directory()
        self.sources.mkdir(parents=True)
        self.log, self.raw = directory / "log", directory / "raw"
        self.raw.write_bytes(bytes(range(256)) * (SIZE // 256))
        self.names = [f"s{number:03d}" for number in range(1, stages + 1)]
        for name in self.names:
            self.write_stage(name, "v0")
        self.prepare()

    @classmethod
    def missing(cls) -> str:
        """Why this tool cannot be measured here, if so."""
        return ""

    def source_directory(self) -> Path:
        return self.directory

    def write_stage(self, name: str, word: str) -> None:
        text = BODY.format(name=name, word=word, size=SIZE) + self.main.format(size=SIZE)
        (self.sources / f"{name}.py").write_text(text)

    def links(self) -> Sequence[tuple[str, str]]:
        """Each stage with the one above it."""
        return list(zip(["raw", *self.names], self.names, strict=False))

    def change_middle(self, word: str) -> None:
        """Edit the source of the middle stage so that its output changes."""
        self.write_stage(self.names[len(self.names) // 2 - 1], word)

    @abstractmethod
    def prepare(self) -> None:
        """Write what the tool needs beside the stages."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What a user would type."""

    def environment(self) -> Mapping[str, str]:
        return {}

    def run(self) -> tuple[Run, int]:
        """Bring the chain up to date; what it cost, and how many stages ran."""
        self.log.write_text("")
        done = run(self.command(), cwd=self.directory, env={"CHAIN_LOG": str(self.log), **self.environment()})
        return done, len(self.started())

    def started(self) -> list[float]:
        """When each stage of the last run began to work, in seconds since 1970."""
        return [float(line.split()[1]) for line in self.log.read_text().splitlines()]


class Make(Tool):
    """GNU Make with a Python process per stage: what a stage costs when nothing is kept."""

    title = "Make+python"

    def prepare(self) -> None:
        rules = [
            f"{n}.out: {_file(a)} {n}.py\n\t{sys.executable} {n}.py {_file(a)} $@" for a, n in self.links()
        ]
        (self.directory / "Makefile").write_text("\n".join([f"all: {self.names[-1]}.out", *rules, ""]))

    def command(self) -> Sequence[str | Path]:
        return ["make", "-s"]


class Dvc(Tool):
    """DVC, without git."""

    title = "DVC"

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("dvc") else "dvc is not in PATH"

    def prepare(self) -> None:
        stages = [
            f"  {n}:\n    cmd: {sys.executable} {n}.py {_file(a)} {n}.out\n"
            f"    deps: [{_file(a)}, {n}.py]\n    outs: [{n}.out]"
            for a, n in self.links()
        ]
        (self.directory / "dvc.yaml").write_text("\n".join(["stages:", *stages, ""]))
        run(["dvc", "init", "-q", "--no-scm"], cwd=self.directory, env=self.environment())

    def environment(self) -> Mapping[str, str]:
        return {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(self.directory / "site")}

    def command(self) -> Sequence[str | Path]:
        return ["dvc", "repro", "-q"]


class Snakemake(Tool):
    """Snakemake on one core."""

    title = "Snakemake"

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("snakemake") else "snakemake is not in PATH"

    def prepare(self) -> None:
        rules = [
            f'rule {n}:\n    input: "{_file(a)}", "{n}.py"\n    output: "{n}.out"\n'
            f'    shell: "{sys.executable} {n}.py {_file(a)} {{output}}"'
            for a, n in self.links()
        ]
        first = f'rule all:\n    input: "{self.names[-1]}.out"'
        (self.directory / "Snakefile").write_text("\n\n".join([first, *rules, ""]))

    def environment(self) -> Mapping[str, str]:
        return {"XDG_CACHE_HOME": str(self.directory / "cache")}

    def command(self) -> Sequence[str | Path]:
        return ["snakemake", "-c1", "-q", "all"]


class Blut(Tool):
    """Blut in one Python process, as ``blut recipe run`` does it."""

    title = "blut"
    main = BLUT_MAIN

    def source_directory(self) -> Path:
        return self.directory / "bench_chain"

    def prepare(self) -> None:
        text = BLUT_HEAD.format(raw=str(self.raw), size=SIZE)
        text += "".join(BLUT_STAGE.format(name=name, above=above) for above, name in self.links())
        (self.sources / "__init__.py").touch()
        (self.sources / "defs.py").write_text(text + BLUT_TAIL.format(names=", ".join(self.names)))
        self._home = make_home(self.directory / "home")

    def environment(self) -> Mapping[str, str]:
        needed = {"PYTHONPATH": f"{self.directory}:{REPOSITORY}", "BLUT_PAYLOAD_ENV": "CHAIN_LOG"}
        return {**self._home, **needed}

    def command(self) -> Sequence[str | Path]:
        return [sys.executable, "-c", DRIVE]


class BlutDagster(Blut):
    """Blut through Dagster's own command line."""

    title = "dagster asset materialize"

    def command(self) -> Sequence[str | Path]:
        return [
            sys.executable,
            "-m",
            "dagster",
            "asset",
            "materialize",
            "-m",
            "bench_chain.defs",
            "--select",
            "*",
        ]


def _file(name: str) -> str:
    return "raw" if name == "raw" else f"{name}.out"
