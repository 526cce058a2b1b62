"""Names the words of Dagster's that are not public constants.

They are in what Dagster stores, so that they stay what they are; where they are defined moves, so nothing is
imported from there. A test compares them. To look at: the tags are in ``dagster._core.storage.tags``.
"""

ASSET_JOB = "__ASSET_JOB"
DATA_VERSION_TAG = "dagster/data_version"
INPUT_EVENT_TAG = "dagster/input_event_pointer"
"""How the tag begins that names the event of an input; in ``dagster._core.definitions.data_version``."""
REPOSITORY = "__repository__"
REPOSITORY_LABEL_TAG = ".dagster/repository"
RETRY_NUMBER_TAG = "dagster/retry_number"
RETRY_ON_FAILURE_TAG = "dagster/retry_on_asset_or_op_failure"
TEMPORARY_HOME = ".tmp_dagster_home_"
"""How the directory of an instance begins that is deleted at the end of the command."""
CHECK_FAILED = "DagsterAssetCheckFailedError"
"""The class of the error of a step whose blocking check failed."""
UNEXPECTED_TERMINATION = "UNEXPECTED_TERMINATION"
"""Why a run failed whose process was told to end."""
RECORD = "dagster_meta"
"""The attribute of a log record in which Dagster says what it knows of it."""
OBSERVED = "__source_asset_observation__"
"""The metadata of an output that is no materialization."""
