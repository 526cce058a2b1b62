"""A linear graph of stages with one payload module each, written as a package of its own."""

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.forked import RUN, server

PAYLOAD = '''\
"""Appends a line to what the stage above made."""

import os
import time
from pathlib import Path

from blut_resources.payload_kit.session import payload_session


def main():
    with payload_session() as session:
        with Path(os.environ["CHAIN_LOG"]).open("a") as log:
            log.write("{name}\\n")
        if os.environ.get("CHAIN_HANG") == "{name}":
            time.sleep(60)
        text = (session.inputs["above"] / "data").read_text()
        mark = "{name} {word}"
        (session.out / "data").write_text(text + mark + "\\n")
        session.done(lines=len(text.splitlines()) + 1)


if __name__ == "__main__":
    main()
'''

HEAD = """\
import shutil

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages.handles import HANDLES
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.stages import StageConfig, Steps, stage_asset


class Text(Artifact):
    kind = "chain.text"
    lines: int


@stage_asset(cookbook="{package}", group="sources", source=True)
def raw(stage) -> Text:
    shutil.copyfile({input!r}, stage.out / "data")
    return Text(lines=1)
"""

STAGE = """

@stage_asset(
    cookbook="{package}", group="chain", payloads=["{package}.{name}_make"], ins={{"above": "{above}"}}
)
def {name}(stage, above: Text) -> Steps[Text]:
    facts = yield from stage.run("{package}.{name}_make", config={{}}, inputs={{"above": stage.open(above)}})
    return Text(**facts)
"""

TAIL = """

assets = [raw, {names}]
recipe = Recipe("{package}", "test", "A chain.", RecipeArgs, assets, Text, lambda args: {{}})
defs = dg.Definitions(
    assets=assets,
    resources={{"blut_handles": HANDLES}},
    executor=dg.in_process_executor,
    jobs=[recipe.job()],
)


def cookbook():
    return Cookbook("{package}", assets, [recipe])
"""


@dataclass
class Chain:
    """The package in ``directory``; ``run`` uses Dagster's command line."""

    directory: Path
    stages: int = 10
    package: str = "chain"
    words: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = self.directory / self.package
        self.root.mkdir(parents=True, exist_ok=True)
        self.input, self.log = self.directory / "input", self.directory / "log"
        (self.root / "__init__.py").write_text("")
        self.input.write_text("raw\n")
        self.write()

    def write(self) -> None:
        """Write the definitions and every payload."""
        names = [self.name(number) for number in range(1, self.stages + 1)]
        text = HEAD.format(package=self.package, input=str(self.input))
        for above, name in zip(["raw", *names], names, strict=False):
            text += STAGE.format(package=self.package, name=name, above=above)
        (self.root / "defs.py").write_text(text + TAIL.format(package=self.package, names=", ".join(names)))
        for number in range(1, self.stages + 1):
            self.set_word(number, self.words.get(number, "v0"))

    def name(self, number: int) -> str:
        return f"s{number:02d}"

    def payload(self, number: int) -> Path:
        return self.root / f"{self.name(number)}_make.py"

    def set_word(self, number: int, word: str) -> None:
        """Write the payload of a stage so that its line ends with ``word``."""
        self.payload(number).write_text(PAYLOAD.format(name=self.name(number), word=word))

    def edit(self, number: int, old: str, new: str) -> None:
        text = self.payload(number).read_text()
        assert old in text
        self.payload(number).write_text(text.replace(old, new))

    def command(self, *extra: str) -> list[str]:
        return [sys.executable, "-m", "dagster", "asset", "materialize", "-m", f"{self.package}.defs", *extra]

    def environment(self, **extra: str) -> dict[str, str]:
        paths = [str(self.directory), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CHAIN_LOG": str(self.log), **extra}

    def run(self, select: str = "*") -> list[str]:
        """Materialize and return the names of the stages that executed."""
        self.log.write_text("")
        done = server(*RUN).run(self.command("--select", select)[1:], self.environment(), self.directory)
        assert done.returncode == 0, done.stderr[-4000:]
        return self.log.read_text().split()

    def kill_in(self, number: int) -> None:
        """Start a run and SIGKILL its process while the given stage works."""
        self.log.write_text("")
        name = self.name(number)
        command, environment = self.command("--select", "*"), self.environment(CHAIN_HANG=name)
        process = server(*RUN).start(command[1:], environment, self.directory, Path(os.devnull))
        deadline = time.monotonic() + 120
        while name not in self.log.read_text().split():
            assert process.poll() is None and time.monotonic() < deadline, (
                "the run ended before its stage began"
            )
            time.sleep(0.05)
        process.kill()
        process.wait()
