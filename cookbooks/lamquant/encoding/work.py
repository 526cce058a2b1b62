"""Does what one file of a corpus asks for: a recording is encoded, an archive is taken."""

from collections.abc import Callable
from typing import Any

from cookbooks.lamquant.encoding.archives import ArchiveJob, take_archive
from cookbooks.lamquant.encoding.encode import encode_job
from cookbooks.lamquant.encoding.job import EncodeJob

Job = EncodeJob | ArchiveJob


def done(job: Job, moved: Callable[[int], object]) -> dict[str, Any]:
    """Returns the outcome of a file, as `encode_job` and `take_archive` do."""
    return take_archive(job, moved) if isinstance(job, ArchiveJob) else encode_job(job, moved)
