"""Chooses Dagster's own asset options that a stage asset takes, and says why it refuses the others."""

from collections.abc import Iterable, Mapping, Set
from typing import Any, TypedDict

import dagster as dg


class AssetOptions(TypedDict, total=False):
    """Holds options of ``dg.asset`` that change neither what is computed nor what is reused."""

    tags: Mapping[str, str]
    metadata: Mapping[str, Any]
    pool: str
    op_tags: Mapping[str, Any]
    hooks: Set[dg.HookDefinition]
    retry_policy: dg.RetryPolicy
    automation_condition: dg.AutomationCondition[Any]
    deps: Iterable[Any]
    backfill_policy: dg.BackfillPolicy


REFUSED = {
    "code_version": "it is computed from the source; raise `schema` to declare older results unusable",
    "key": "it is cookbook/name; give `cookbook` and `name`",
    "key_prefix": "it is the cookbook; give `cookbook`",
    "group_name": "give `group`",
    "freshness_policy": "give `freshness`",
    "description": "it is the docstring of the function",
    "config_schema": "annotate the parameter `config` with a StageConfig",
    "dagster_type": "annotate the return value with an Artifact",
    "io_manager_key": "its bytes are in the artifact store and its handle is in the event log",
    "io_manager_def": "its bytes are in the artifact store and its handle is in the event log",
    "resource_defs": "give the resource to the definitions, and take it as a parameter",
    "required_resource_keys": "take the resource as a parameter that is annotated with its class",
    "check_specs": "give `notices` for what warns; for what stops a run write an `@dg.asset_check` beside it",
    "output_required": "it always leaves an artifact, or fails",
    "is_virtual": "it always leaves an artifact, or fails",
    "compute_kind": "give `kinds`",
    "auto_materialize_policy": "give `automation_condition`",
}
"""Options of ``dg.asset`` that would break what a stage asset promises, and what to do instead."""


def checked(asset: str, options: Mapping[str, Any], memoised: bool) -> dict[str, Any]:
    """Returns the options, if the asset keeps its promises with them.

    Raises:
        TypeError: naming the asset, the option and the remedy.
    """
    taken = ", ".join(AssetOptions.__annotations__)
    for name in options:
        if name not in AssetOptions.__annotations__:
            remedy = REFUSED.get(name, f"there is no such option; of Dagster's it takes {taken}")
            raise TypeError(f"stage asset {asset}: {name} is not taken: {remedy}")
    if options.get("deps") and memoised:
        raise TypeError(
            f"stage asset {asset}: deps is not taken by an asset that is reused, which would not notice a"
            " change there: take it as a parameter, or declare source=True or side_effect=True"
        )
    policy = options.get("backfill_policy")
    if policy is not None and policy.max_partitions_per_run != 1:
        raise TypeError(
            f"stage asset {asset}: backfill_policy = {policy}: each partition has a result of its own, so"
            " give dg.BackfillPolicy.multi_run(max_partitions_per_run=1)"
        )
    return {name: value for name, value in options.items() if name != "metadata"}
