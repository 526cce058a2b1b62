"""Names the words of Dagster's that are not public constants.

Public API has no names for them. When one changes: the tags are in ``dagster._core.storage.tags``, the
others are named beside them.
"""

from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME as ASSET_JOB
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.repository_definition.valid_definitions import (
    SINGLETON_REPOSITORY_NAME as REPOSITORY,
)
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.storage.tags import RETRY_ON_ASSET_OR_OP_FAILURE_TAG as RETRY_ON_FAILURE_TAG

TEMPORARY_HOME = ".tmp_dagster_home_"
"""How the directory of an instance begins that is deleted at the end of the command; of
``dagster._cli.utils``, which would take long to import."""

__all__ = [
    "ASSET_JOB",
    "DATA_VERSION_TAG",
    "REPOSITORY",
    "REPOSITORY_LABEL_TAG",
    "RETRY_ON_FAILURE_TAG",
    "TEMPORARY_HOME",
]
