"""Merges and checks every installed cookbook: the only entry point."""

from pathlib import Path

from blut_resources.dagster_private.startup import without_collector

with without_collector():
    import dagster as dg

    from blut_assets.discovery import Discovered, discover
    from blut_assets.history.leaderboard import leaderboard_sensor, leaderboards
    from blut_assets.stages.executor import in_process_or_multiprocess
    from blut_assets.stages.handles import ArtifactHandles
    from blut_assets.wiring import check_wiring
    from blut_resources.payloads import environment
    from blut_resources.runs import intent
    from sensors.alerts.sensor import alerts_sensor
    from sensors.corpus_watch import corpus_watch_sensor
    from sensors.housekeeping.sensor import housekeeping
    from sensors.reaper import reaper
    from sensors.retraining import retraining_sensor

    discovered = discover()
    intent.declared[:] = [cookbook.intents for cookbook in discovered.cookbooks]
    environment.declared[:] = [name for one in discovered.cookbooks for name in one.variables]


def build_definitions(found: Discovered) -> dg.Definitions:
    """Returns one Dagster code location out of the discovered cookbooks.

    Raises:
        WiringError: if an edge joins two types that do not fit.
    """
    assets = [asset for cookbook in found.cookbooks for asset in cookbook.assets]
    checks = [check for cookbook in found.cookbooks for check in cookbook.checks]
    recipes = [recipe for cookbook in found.cookbooks for recipe in cookbook.recipes]
    jobs = [recipe.job(cookbook.extras) for cookbook in found.cookbooks for recipe in cookbook.recipes]
    boards = leaderboards(found.cookbooks)
    check_wiring(assets)
    return dg.Definitions(
        assets=[*assets, *boards],
        asset_checks=checks,
        jobs=jobs,
        sensors=[
            *(reaper, housekeeping, retraining_sensor(recipes, jobs), alerts_sensor(checks)),
            *([corpus_watch_sensor(assets)] if assets else []),
            *([leaderboard_sensor()] if boards else []),
            *(sensor for cookbook in found.cookbooks for sensor in cookbook.sensors),
        ],
        resources={"artifact_handles": ArtifactHandles()},
        executor=in_process_or_multiprocess,
        metadata={f"left out: {name}": reason for name, reason in found.left_out.items()},
    )


def beside_cookbooks() -> list[dg.Definitions]:
    """Returns what `dg scaffold defs` has put into ``blut_assets/defs``;
    loading an empty folder takes time too.
    """
    here = Path(__file__).parent
    if {entry.name for entry in (here / "defs").iterdir()} <= {"__init__.py", "__pycache__"}:
        return []
    return [dg.load_from_defs_folder(path_within_project=here)]


with without_collector():
    defs = dg.Definitions.merge(build_definitions(discovered), *beside_cookbooks())
