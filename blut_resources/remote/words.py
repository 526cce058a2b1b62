"""Says what a bucket's refusal means, and what to do about it."""

import re

from blut_resources.files.durable import StoreError
from blut_resources.text import one_line


class RemoteError(StoreError):
    """Says that the remote cannot do what was asked; the message names its address, problem and remedy."""


class RemoteMissing(RemoteError):
    """Says that the remote has no such artifact."""


class RemoteDamaged(RemoteError):
    """Says that what the remote holds under a digest is not what that digest names."""


CODE = re.compile(r"<Code>(\w+)</Code>")
STATUS = re.compile(r"status code: (\d{3})")
CLOCK = "this machine's clock differs too much from the server's: set it (`timedatectl`), then run again"
KEYS = "correct $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY, or the profile in ~/.aws/credentials"
REGION = "the bucket is in another region: set $AWS_REGION to its own"
RIGHTS = (
    "the credentials have no right to that: they need s3:GetObject and s3:ListBucket, to push also"
    " s3:PutObject and s3:AbortMultipartUpload"
)
BUCKET = "there is no such bucket: make it, or correct $BLUT_REMOTE"
REMEDIES = {
    "NoSuchBucket": BUCKET,
    "AllAccessDisabled": RIGHTS,
    "AccessDenied": RIGHTS,
    "Forbidden": RIGHTS,
    "InvalidAccessKeyId": f"the server does not know the access key: {KEYS}",
    "SignatureDoesNotMatch": f"access key and secret key do not belong together: {KEYS}",
    "ExpiredToken": "the session token has expired: log in again, and export the new one",
    "InvalidToken": "the session token is not valid: log in again, and export the new one",
    "RequestTimeTooSkewed": CLOCK,
    "RequestExpired": CLOCK,
    "PermanentRedirect": REGION,
    "AuthorizationHeaderMalformed": REGION,
    "IllegalLocationConstraintException": REGION,
    "SlowDown": "the server asks for fewer requests: run again later",
    "QuotaExceeded": "the quota of the bucket is used up: remove something from it, or have it raised",
    "EntityTooLarge": "it is larger than the server takes: raise the limit of the server",
}
"""The server's code -> what it means and what to do."""
STATUSES = {
    "301": REGION,
    "307": REGION,
    "401": f"the server does not know the credentials: {KEYS}",
    "403": RIGHTS,
}
"""For answers that carry no code, as to HEAD."""


def is_absent(error: BaseException) -> bool:
    """Says whether an error means that there is no such object, in a bucket that is there."""
    return isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error)


def is_out_of_reach(error: BaseException) -> bool:
    """Says whether no answer came: another request to the same server would wait for nothing again."""
    return not STATUS.search(str(error)) and "HTTP error" in str(error)


def explained(error: BaseException, address: str) -> RemoteError:
    """Returns what happened at an address, in words for a person."""
    text = str(error).partition("\n\nDebug source")[0]
    code, status = CODE.search(text), STATUS.search(text)
    remedy = REMEDIES.get(code[1]) if code else None
    if remedy is None and status:
        remedy = STATUSES.get(status[1])
    if remedy is None and "Received redirect without LOCATION" in text:
        remedy = REGION
    if remedy is None and "169.254.169.254" in text:
        remedy = f"no credentials were found: {KEYS}"
    if remedy is None and is_out_of_reach(error):
        remedy = "no answer: see whether the network is there and $AWS_ENDPOINT_URL is right, then run again"
    if remedy is None and "File exists" not in text and "Unable to canonicalize" in text:
        remedy = "there is no such directory: make it, or mount what belongs there"
    if remedy is None:
        return RemoteError(f"{address}: {one_line(text, 600)}")
    name = code[1] if code else f"status {status[1]}" if status else ""
    told = f"{name}: {remedy}" if name else f"{remedy} ({one_line(text, 300)})"
    return RemoteError(f"{address}: {told}")
