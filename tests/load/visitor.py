"""One visitor of the shop: which request comes next, and whether its answer is right."""

import hashlib
import itertools
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_plus, urlencode

from tests.load.connection import Answer, Reason
from tests.load.plan import Kind, LoadPlan, spread_kinds

# What a page names; a browser loads it under the page's version, whatever is live by then.
_ASSET = re.compile(rb"""/static/version(\d+)/[^"'\s<>)?]+""")
# Its content is the version itself (Magento's own file, in every image).
_VERSION_FILE = "deployed_version.txt"
_FORM = "application/x-www-form-urlencoded"
_ADDITION = "/checkout/cart/add"
_SUBSCRIPTION = "/newsletter/subscriber/new/"
# Magento takes the form key of the cookie that its pages' script sets
# (Magento\PageCache\Plugin\RegisterFormKeyFromCookie).
_FORM_KEY = "LoadFormKey12345"


@dataclass(frozen=True)
class Request:
    """A request as it is sent."""

    kind: Kind
    path: str
    content: bytes
    request_id: str = ""


@dataclass
class Seen:
    """What all visitors of a run have seen together."""

    # Digest of a static file's bytes by its path, from when it was first served.
    assets: dict[str, bytes] = field(default_factory=dict)
    # Pages by the content version that they name.
    versions: dict[str, int] = field(default_factory=dict)
    # request_id of additions that were answered with success.
    acknowledged: list[str] = field(default_factory=list)
    # Those whose answer says that the row was there already. Each is sent once only, so something
    # on the way has sent it again.
    replayed: list[str] = field(default_factory=list)


class Visitor:
    """Has a session of its own; pages, static content and carts follow each other."""

    def __init__(self, plan: LoadPlan, seen: Seen, number: int, keeps_alive: bool) -> None:
        self._plan = plan
        self._seen = seen
        self._head = f"Host: {plan.host_header or plan.host}\r\nUser-Agent: load\r\nAccept: */*\r\n"
        self._head += "" if keeps_alive else "Connection: close\r\n"
        kinds = spread_kinds(plan.mix)
        # Visitors are at different places of the round.
        self._kinds = itertools.cycle(kinds[number % len(kinds) :] + kinds[: number % len(kinds)])
        self._pages = itertools.cycle(plan.pages)
        self._assets: list[str] = []
        self._next_asset: Iterator[str] = iter(())
        self._cookies: dict[str, str] = {}
        self._added: list[str] = []

    def next_request(self) -> Request:
        kind = next(self._kinds)
        if kind is Kind.STATIC and (asset := next(self._next_asset, "")):
            return self._get(kind, asset)
        if kind is Kind.CART:
            return self._get(kind, "/checkout/cart")
        if kind is Kind.ADD:
            return self._add()
        if kind is Kind.SUBSCRIBE:
            return self._subscribe()
        # Also instead of static content that no page has named yet.
        return self._get(Kind.PAGE, next(self._pages))

    def check(self, request: Request, answer: Answer) -> tuple[Reason, str] | None:
        """What is wrong with an answer; notes what it acknowledges."""
        self._keep_cookies(answer)
        if answer.status >= 500:
            return Reason.STATUS_5XX, f"{answer.status}: {answer.body[:300]!r}"
        if answer.status != (302 if request.kind is Kind.SUBSCRIBE else 200):
            return Reason.STATUS_OTHER, f"{answer.status}: {answer.body[:300]!r}"
        match request.kind:
            case Kind.PAGE:
                wrong = self._check_page(answer)
            case Kind.STATIC:
                wrong = self._check_static(request, answer)
            case Kind.CART:
                wrong = self._check_cart(answer)
            case Kind.ADD:
                wrong = self._check_addition(request, answer)
            case Kind.SUBSCRIBE:
                wrong = self._check_subscription(request, answer)
        return (Reason.WRONG_BODY, wrong) if wrong else None

    def _get(self, kind: Kind, path: str) -> Request:
        return Request(
            kind, path, f"GET {path} HTTP/1.1\r\n{self._head}{self._cookie()}\r\n".encode()
        )

    def _add(self) -> Request:
        if len(self._added) >= self._plan.additions_per_session:
            self._cookies.clear()
            self._added.clear()
        request_id = str(uuid.uuid4())
        form = {"sku": "24-MB01", "qty": "1", "request_id": request_id}
        return Request(Kind.ADD, _ADDITION, self._post(_ADDITION, form), request_id)

    def _subscribe(self) -> Request:
        # Each in a session of its own, so that a message is of this request.
        self._cookies = {"form_key": _FORM_KEY}
        email = f"{uuid.uuid4()}@example.com"
        content = self._post(_SUBSCRIPTION, {"form_key": _FORM_KEY, "email": email})
        return Request(Kind.SUBSCRIBE, _SUBSCRIPTION, content, email)

    def _post(self, path: str, fields: dict[str, str]) -> bytes:
        form = urlencode(fields)
        head = f"{self._head}{self._cookie()}Content-Type: {_FORM}\r\nContent-Length: {len(form)}"
        return f"POST {path} HTTP/1.1\r\n{head}\r\n\r\n{form}".encode()

    def _cookie(self) -> str:
        if not self._cookies:
            return ""
        pairs = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        return f"Cookie: {pairs}\r\n"

    def _keep_cookies(self, answer: Answer) -> None:
        for name, value in answer.headers:
            if name == "set-cookie":
                key, _, content = value.partition(";")[0].partition("=")
                self._cookies[key.strip()] = content.strip()

    def _check_page(self, answer: Answer) -> str:
        found = {match.group(1): None for match in _ASSET.finditer(answer.body)}
        if len(found) > 1:
            return f"one page names the content versions {sorted(found)}"
        if found:
            (version,) = (key.decode() for key in found)
            self._seen.versions[version] = self._seen.versions.get(version, 0) + 1
            paths = {match.group(0).decode(): None for match in _ASSET.finditer(answer.body)}
            assets = [quote(path, safe="/%") for path in paths]
            self._next_asset = itertools.cycle(
                [f"/static/version{version}/{_VERSION_FILE}", *assets]
            )
        return ""

    def _check_static(self, request: Request, answer: Answer) -> str:
        if request.path.endswith(f"/{_VERSION_FILE}"):
            version = request.path.split("/")[2].removeprefix("version")
            if answer.body.strip() != version.encode():
                return f"{request.path} is {answer.body[:100]!r}"
        digest = hashlib.blake2b(answer.body, digest_size=16).digest()
        if self._seen.assets.setdefault(request.path, digest) != digest:
            return f"{request.path} has other bytes than before"
        return ""

    def _check_cart(self, answer: Answer) -> str:
        missing = [one for one in self._added if one.encode() not in answer.body]
        return f"not in this session's cart: {missing}" if missing else ""

    def _check_addition(self, request: Request, answer: Answer) -> str:
        try:
            told = json.loads(answer.body)
        except ValueError:
            return f"no JSON: {answer.body[:300]!r}"
        if not (told.get("ok") is True and told.get("request_id") == request.request_id):
            return f"not the answer to {request.request_id}: {answer.body[:300]!r}"
        self._seen.acknowledged.append(request.request_id)
        if told.get("duplicate") is not False:
            self._seen.replayed.append(request.request_id)
        self._added.append(request.request_id)
        return ""

    def _check_subscription(self, request: Request, answer: Answer) -> str:
        # The cookie that the page after it shows (Magento\Theme\Controller\Result\MessagePlugin).
        messages = unquote_plus(self._cookies.get("mage-messages", ""))
        if "already subscribed" in messages:
            self._seen.replayed.append(request.request_id)
        elif '"type":"success"' not in messages:
            return f"no success of {request.request_id}: {messages[:300]!r}"
        self._seen.acknowledged.append(request.request_id)
        return ""
