"""Tells one service of one alert, by apprise: a program of its own, which the sensor ends at a deadline.

Standard input is JSON: ``url`` of the service, ``title``, ``body``. It ends with 0 if the service took it;
otherwise it prints why, without what in the URL may be a secret.
"""

import json
import logging
import re
import sys
from urllib.parse import unquote

SHORTEST_SECRET = 4
"""Characters of a part of a URL from which on it is not repeated: shorter words would hide every sentence."""


def main() -> None:
    """Tell what standard input says."""
    given = json.load(sys.stdin)
    try:
        import apprise
    except ModuleNotFoundError:
        sys.exit("apprise is not installed beside Blut: pip install 'blut[alerts]'")
    said = Warned()
    logging.getLogger("apprise").addHandler(said)
    # who answers with a redirect names another receiver than the settings do
    service = apprise.Apprise.instantiate(given["url"], asset=apprise.AppriseAsset(http_redirects=False))
    if not isinstance(service, apprise.NotifyBase):
        sys.exit("apprise knows no such service, or its URL lacks a part")
    if service.redirects:
        sys.exit("redirect=yes in its URL: take it out, nothing is told to where somebody else points")
    told = service.notify(
        body=given["body"],
        title=given["title"],
        notify_type=apprise.NotifyType.WARNING,
        body_format=apprise.NotifyFormat.TEXT,
        overflow=apprise.OverflowMode.TRUNCATE,
    )
    if not told:
        sys.exit(harmless("; ".join(said.lines) or "not delivered", given["url"]))


def harmless(text: str, url: str) -> str:
    """Returns a text without the parts of a URL, among which may be tokens and passwords."""
    parts = {part for form in (url, unquote(url)) for part in re.split(r"[/:?&=@,#]+", form)[1:]}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST_SECRET:
            text = text.replace(part, "***")
    return text


class Warned(logging.Handler):
    """Collects what apprise warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


if __name__ == "__main__":
    main()
