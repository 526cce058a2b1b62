"""Decides who may talk to the UI:
an ASGI application in front of Dagster's, which asks nobody who they are.

A page that is open in the same browser can send requests to any port of this machine, and so can any other
user of it. So a request needs the token of this start (in a cookie, which the printed link sets, or as a
bearer), has to name a host that is known here, and must not come from another page. `GET` changes nothing.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
TOKEN = "token"
READS = ("GET", "HEAD")
HIDDEN = ("/notebook", "/dagit/notebook")
"""Routes of Dagster's that give out any notebook of this machine by its path."""
MOST_TOKENS = 2000
"""Of the GraphQL in a URL."""
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?")


class Guard:
    """Passes on to ``app`` what comes from somebody who knows the token, by a name in ``hosts``."""

    def __init__(self, app: ASGIApp, token: str, hosts: Iterable[str] = ()) -> None:
        self._app, self._token = app, token
        self._hosts = LOOPBACK | {host.lower() for host in hosts}
        # a host's ports share their cookies, so each start has one of its own name
        self._cookie = f"blut_ui_{hashlib.sha256(token.encode()).hexdigest()[:12]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, a websocket or an event of the server's life."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        answer = self._answer(scope, Headers(scope=scope))
        if answer is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not allowed"})
        else:
            await answer(scope, receive, _with_headers(send))

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """Returns why it is not passed on, or where to go on from the printed link;
        None where nothing is wrong.
        """
        if reason := self._of_elsewhere(scope, headers):
            return PlainTextResponse(f"Refused: {reason}\n", 403)
        given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in given if name == TOKEN]
        if tokens and scope["type"] == "http" and scope["method"] in READS:
            return self._welcome(scope, given) if self._is_token(tokens[0]) else _unknown()
        if not self._is_known(headers):
            return _unknown()
        return _refused(scope, headers, given) if scope["type"] == "http" else None

    def _of_elsewhere(self, scope: Scope, headers: Headers) -> str:
        """Says what is wrong with a name of this machine by which a page elsewhere gets around a browser's
        rules.
        """
        hosts = headers.getlist("host")
        named = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
        if named is None or named["name"] not in self._hosts:
            return "no such host is served here (`blut ui --host-name NAME` adds one)"
        if any(urlsplit(origin).netloc.lower() != hosts[0].lower() for origin in headers.getlist("origin")):
            return "it comes from a page of another origin"
        site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "navigate")
        page = mode == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
        if site in ("cross-site", "same-site") and not (page and scope.get("method") in READS):
            return "it comes from a page of another site"
        return ""

    def _welcome(self, scope: Scope, given: list[tuple[str, str]]) -> Response:
        """Redirect to the place without the token, which then is neither in the history nor in a Referer."""
        rest = urlencode([(name, value) for name, value in given if name != TOKEN])
        place = "/" + scope["path"].lstrip("/\\")
        answer = RedirectResponse(place + (f"?{rest}" if rest else ""), 303)
        secure = scope.get("scheme") == "https"
        answer.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", secure=secure)
        return answer

    def _is_known(self, headers: Headers) -> bool:
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return self._is_token(bearer.strip())
        for text in headers.getlist("cookie"):
            try:
                found = SimpleCookie(text).get(self._cookie)
            except CookieError:
                continue
            if found and self._is_token(found.value):
                return True
        return False

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())


def _unknown() -> Response:
    text = "This is Blut's UI. Open the link that `blut ui` printed: it holds the token.\n"
    return PlainTextResponse(text, 401)


def _refused(scope: Scope, headers: Headers, given: list[tuple[str, str]]) -> Response | None:
    path = scope["path"].rstrip("/")
    if path in HIDDEN:
        return PlainTextResponse("Refused: notebooks are not shown here\n", 404)
    if path != "/graphql":
        return None
    if scope["method"] not in READS:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        return None if kind in ("application/json", "application/graphql") else _wrong_kind()
    queries = [value for name, value in given if name == "query"]
    if len(queries) > 1 or not all(map(only_reads, queries)):
        return PlainTextResponse("Refused: GET only asks; POST what changes something\n", 405)
    return None


def _wrong_kind() -> Response:
    return PlainTextResponse("Refused: POST GraphQL as application/json\n", 415)


def only_reads(query: str) -> bool:
    """Says whether every operation of a GraphQL document is a query, whichever of them is asked for."""
    try:
        found = parse(query, max_tokens=MOST_TOKENS).definitions
    except (GraphQLError, RecursionError):
        return False
    operations = [one for one in found if isinstance(one, OperationDefinitionNode)]
    return all(one.operation is OperationType.QUERY for one in operations)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.append("Content-Security-Policy", "frame-ancestors 'none'")
        await send(message)

    return sent
