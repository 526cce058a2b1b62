"""Stage assets with partitions, for tests: places that are looked at, a codec for each, reports over them."""

import os
from pathlib import Path

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Metric, Recipe, RecipeArgs, config_from
from blut_assets.retrying import gate_check
from blut_assets.stages import Stage, StageConfig, stage_asset

SITES = dg.StaticPartitionsDefinition(["berlin", "kyoto", "so|uth [1]/é ß"])
ADDED = dg.DynamicPartitionsDefinition(name="parted_sites")
DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-03", end_date="2026-01-11")
WEEKS = dg.WeeklyPartitionsDefinition(start_date="2026-01-04", end_date="2026-01-11")
TIERS = dg.MultiPartitionsDefinition(
    {
        "site": dg.StaticPartitionsDefinition(["berlin", "kyoto"]),
        "tier": dg.StaticPartitionsDefinition(["s", "l"]),
    }
)


class Word(Artifact):
    """A word, and its length."""

    kind = "test.word"
    word: str
    size: float = 0


class PlaceConfig(StageConfig):
    """Where the words are."""

    root: str = ""
    again: int = 0


def called(stage: Stage) -> None:
    """Note a call of a stage function in a file, if the test asks for it."""
    if path := os.environ.get("PARTED_CALLS"):
        with Path(path).open("a") as file:
            file.write(f"{stage.name} {stage.partition}\n")


def kept(stage: Stage, word: str) -> Word:
    """Write a word to the output."""
    (stage.out / "word").write_text(word)
    return Word(word=word, size=len(word))


@stage_asset(cookbook="parted", group="parted", source=True, partitions_def=SITES)
def place(stage: Stage, config: PlaceConfig) -> Word:
    """What a site's directory says; the word of the key where there is none."""
    if not config.root:
        return kept(stage, f"word of {stage.partition}")
    file = Path(config.root, "word")
    return Word(word=file.read_text()).stored_as(stage.store.referenced(Path(config.root), ["word"]).digest)


@stage_asset(cookbook="parted", group="parted")
def common(stage: Stage) -> Word:
    """What every site shares: it has no partitions."""
    called(stage)
    return kept(stage, "common")


@stage_asset(cookbook="parted", group="parted", partitions_def=SITES, headline=["size"])
def codec(stage: Stage, place: Word, common: Word, config: PlaceConfig) -> Word:
    """One for each site."""
    called(stage)
    if place.word.startswith("bad"):
        raise ValueError("a bad word")
    return kept(stage, f"{place.word} and {common.word}")


@gate_check(asset=codec, name="codec_gate")
def codec_gate(context: dg.AssetCheckExecutionContext, made: Word) -> dg.AssetCheckResult:
    """No word is worse."""
    return dg.AssetCheckResult(passed=not made.word.startswith("worse"), description=made.word)


@stage_asset(cookbook="parted", group="parted")
def report(stage: Stage, codec: dict[str, Word]) -> Word:
    """Over all sites."""
    called(stage)
    return kept(stage, "; ".join(f"{key}: {one.word}" for key, one in codec.items()))


@stage_asset(cookbook="parted", group="parted", partitions_def=ADDED)
def added(stage: Stage) -> Word:
    """One for each that somebody adds."""
    called(stage)
    return kept(stage, str(stage.partition))


@stage_asset(cookbook="parted", group="parted")
def added_report(stage: Stage, added: dict[str, Word]) -> Word:
    """Over those that were added."""
    return kept(stage, ",".join(added))


@stage_asset(cookbook="parted", group="parted", partitions_def=DAYS)
def day(stage: Stage) -> Word:
    """One for each day."""
    assert stage.window is not None
    return kept(stage, f"{stage.window.start:%d}")


@stage_asset(cookbook="parted", group="parted", partitions_def=WEEKS)
def week(stage: Stage, day: dict[str, Word]) -> Word:
    """The days of a week."""
    return kept(stage, "+".join(one.word for one in day.values()))


@stage_asset(
    cookbook="parted",
    group="parted",
    partitions_def=DAYS,
    partition_mappings={"before": dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)},
    ins={"before": "day"},
)
def since(stage: Stage, before: dict[str, Word]) -> Word:
    """A day and the one before, which the first has not."""
    return kept(stage, f"{stage.partition}<{','.join(one.word for one in before.values())}")


@stage_asset(cookbook="parted", group="parted", partitions_def=TIERS)
def tier(stage: Stage, config: PlaceConfig) -> Word:
    """One for each site and tier."""
    if config.root:
        return kept(stage, config.root)
    return kept(stage, "-".join(stage.dimensions[name] for name in ("site", "tier")))


class Args(RecipeArgs):
    """Args of the recipes."""

    root: str = ""
    again: int = 0


def _configure(args: Args) -> dict[str, StageConfig]:
    return {"place": config_from(PlaceConfig, args), "codec": PlaceConfig(again=args.again)}


CODEC = Recipe(
    name="parted_codec",
    category="train",
    description="A codec for each site.",
    args=Args,
    assets=[place, common, codec],
    output=Word,
    configure=_configure,
    metric=Metric(codec, "size", "highest"),
)
REPORT = Recipe(
    name="parted_report",
    category="score",
    description="A report over all sites.",
    args=RecipeArgs,
    assets=[report],
    output=Word,
    configure=lambda args: {},
)
ADDED_RECIPE = Recipe(
    name="parted_added",
    category="train",
    description="One for each that somebody adds.",
    args=RecipeArgs,
    assets=[added],
    output=Word,
    configure=lambda args: {},
)
TIER = Recipe(
    name="parted_tier",
    category="train",
    description="One for each site and tier.",
    args=Args,
    assets=[tier],
    output=Word,
    configure=lambda args: {"tier": config_from(PlaceConfig, args)},
)
ASSETS = [place, common, codec, report, added, added_report, day, week, since, tier]
COOKBOOK = Cookbook(
    name="parted", assets=ASSETS, recipes=[CODEC, REPORT, ADDED_RECIPE, TIER], checks=[codec_gate]
)


def cookbook() -> Cookbook:
    """Entry point of tests."""
    return COOKBOOK
