"""Holds Blut's own code location: every installed cookbook, and what `dg scaffold defs` has written."""

from pathlib import Path

from blut_assets.building import assemble, installed, refuse_left_out, without_resources
from blut_assets.own_packages import scaffolded
from blut_resources.dagster_private.startup import without_collector

with without_collector():
    import dagster as dg

    from blut_assets.deployment import declare
    from blut_assets.stages.executor import in_process_or_multiprocess


def beside_cookbooks() -> list[dg.Definitions]:
    """Returns what `dg scaffold defs` has put into ``blut_assets/defs``;
    loading an empty folder takes time too.
    """
    return [dg.load_from_defs_folder(path_within_project=Path(__file__).parent)] if scaffolded() else []


beside = beside_cookbooks()
given = {key: one for more in beside for key, one in (more.resources or {}).items()}
discovered = without_resources(installed(), given)
refuse_left_out(discovered)
with without_collector():
    own = assemble(discovered, executor=in_process_or_multiprocess, resources=given)
    defs = dg.Definitions.merge(own, *beside)
    declare(defs.resources or {}, given)
    del own  # Dagster takes a module with one set of definitions only
