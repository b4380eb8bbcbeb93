"""What went wrong with a registry, and what to do: from a status or exception to an error."""

import errno
import json
import re
import ssl
from collections.abc import Iterator
from typing import Any

import requests
import urllib3.exceptions

from builder.errors import RegistryError
from builder.registry.credentials import Credentials
from builder.registry.reference import ImageReference

# docker-registry 2.8 says 500 and one of the first two; quotas: Harbor, Quay, Artifactory.
_FULL = re.compile(r'no space left on device|"Err": ?28\b|disk quota exceeded|\bquota\b', re.I)


class ExchangeError(RegistryError):
    """A failed exchange with a registry, with what whoever repeats it must know.

    Args:
        message: as for every KilnError, and so are `where`, `hint` and `details`.
        transient: it may pass by itself.
        wait: seconds the registry asks to wait, or None.
    """

    def __init__(
        self, message: str, *, transient: bool = False, wait: float | None = None, **rest: Any
    ) -> None:
        super().__init__(message, **rest)
        self.transient = transient
        self.wait = wait


def explain_status(
    response: requests.Response, ref: ImageReference, credentials: Credentials
) -> ExchangeError:
    """The error for a status that is no answer.

    Args:
        response: is read and closed.
        ref: the repository.
        credentials: what was there to log in with.
    """
    status, method = response.status_code, response.request.method
    with response:
        try:
            text = response.content[:20_000].decode("utf-8", "replace")
        except (requests.RequestException, OSError):
            text = ""
    codes, details = read_errors(text)
    # An upload's query holds the session's state, or a storage service's signature.
    details = (f"HTTP {status} to {method} {response.url.partition('?')[0]}", *details)
    doing = "pull" if method in ("GET", "HEAD") else "push"
    full = status == 507 or (status >= 400 and _FULL.search(text) is not None)
    failing = status in (408, 425, 429) or status >= 500
    if full:
        message = "the registry is full"
        hint = "delete old images and run the registry's garbage collection, or raise its quota"
    elif status in (401, 403):
        scope = "insufficient_scope" in response.headers.get("WWW-Authenticate", "")
        if status == 403 or (scope and credentials.known):
            message = f"the registry does not allow this login to {doing}"
        elif credentials.known:
            message = "the registry does not accept the login"
        else:
            message = f"the registry wants a login to {doing}"
        hint = f"run `docker login {ref.registry}` with an account that may {doing}"
        details += credentials.notes
    elif status == 404:
        message = "the registry does not know this repository"
        hint = "check the name; where the registry wants that, have the repository created first"
    elif status == 405:
        message = f"the registry does not take a {doing}"
        hint = "use another registry: this one is read-only or a pull-through cache"
    elif status == 413:
        message = "a proxy in front of the registry refuses large uploads"
        hint = "raise the proxy's limit (nginx: client_max_body_size 0)"
    elif 300 <= status < 400:
        message = f"the registry redirects to {response.headers.get('Location', 'nowhere')}"
        hint = "use that address as the registry's name"
    elif failing:
        message = f"the registry fails with HTTP {status}"
        hint = "look at the registry's log, or try again later"
    elif "HTTP request to an HTTPS server" in text:
        message = f"{ref.registry} speaks TLS alone"
        hint = "name it by its host name, not as localhost; do not allow plain HTTP for it"
    else:
        message = f"the registry refuses with HTTP {status}"
        hint = "look at the registry's log"
    after = response.headers.get("Retry-After", "")
    return ExchangeError(
        message,
        where=f"registry {ref.registry}, repository {ref.repository}",
        hint=hint,
        details=details,
        # What is uploaded has been checked here: a wrong digest there came about on the way.
        transient=(failing and not full) or "DIGEST_INVALID" in codes,
        wait=float(after) if after.isdigit() else None,
    )


def explain_exception(error: Exception, registry: str, where: str) -> ExchangeError:
    """The error for an exchange that did not come to an answer.

    Args:
        error: what requests or urllib3 raised.
        registry: host and optional port.
        where: what was being talked to.
    """
    causes = list(_causes(error))
    reason = str(causes[-1])
    numbers = {cause.errno for cause in causes if isinstance(cause, OSError)}

    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    transient = True
    if caused_by(requests.exceptions.SSLError, ssl.SSLError):
        transient = False
        if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER" in reason:
            message = f"{registry} does not speak TLS"
            hint = "allow plain HTTP for this registry, or give it a certificate"
        else:
            message = f"no trusted TLS connection to {registry}"
            hint = "name a CA bundle (PEM) that holds the registry's or the proxy's issuer"
    elif caused_by(requests.exceptions.ProxyError):
        message = f"the proxy on the way to {registry} does not answer"
        hint = "check the proxy's address, or list the registry under no_proxy"
    elif caused_by(urllib3.exceptions.NameResolutionError):
        message = f"the name {registry} cannot be resolved"
        hint = "check the registry's name and this machine's DNS"
    elif errno.ECONNREFUSED in numbers:
        message = f"nothing answers at {registry}: connection refused"
        hint = "start the registry, or check its name and port"
    elif numbers & {errno.EHOSTUNREACH, errno.ENETUNREACH}:
        message = f"no route to {registry}"
        hint = "check this machine's network and the registry's address"
    elif caused_by(requests.exceptions.Timeout, TimeoutError):
        message = f"{registry} does not answer in time"
        hint = "check the network, any firewall and the registry's load"
    else:
        message = f"the connection to {registry} broke"
        hint = "run the command again: what has arrived is not sent twice"
    return ExchangeError(
        message, where=where, hint=hint, details=(reason[:500],), transient=transient
    )


def read_errors(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The codes and messages of an error body (distribution-spec, "Error Codes").

    A body that is none, as proxies send it, gives its first line unless it is HTML.
    """
    codes: set[str] = set()
    lines: list[str] = []
    try:
        for error in json.loads(text).get("errors") or []:
            codes.add(str(error.get("code", "")))
            detail = error.get("detail")
            extra = f" ({json.dumps(detail)})" if detail else ""
            lines.append(f"{error.get('code', '')}: {error.get('message', '')}{extra}"[:500])
    except (ValueError, AttributeError, TypeError):
        first = text.strip().partition("\n")[0].strip()
        if first and not first.startswith("<"):
            lines.append(first[:200])
    return frozenset(codes), tuple(lines[:5])


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what lies below it, down to the socket's."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
