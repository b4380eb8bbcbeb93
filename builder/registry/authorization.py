"""Answering a registry's challenge: HTTP Basic, or a token (distribution `docs/spec/auth/`).

The token exchange is oras's. Its `oras.provider` is not used (0.2.43): importing it takes over a
second, and `do_request` sleeps through five retries on a wrong password, knows no timeout, sends
a streamed body empty when repeated after a 401, repeats an expired token instead of asking for a
new one, and takes the environment's word for credentials.
"""

import logging
import threading

import oras.auth.utils  # type: ignore[import-untyped]
import requests
import urllib3.exceptions

from builder.registry.credentials import Credentials
from builder.registry.explain import ExchangeError, explain_exception

# Without a handler of its own, logging prints oras's warnings to stderr amid Kiln's output.
logging.getLogger("oras.logger").addHandler(logging.NullHandler())


class Authorizer:
    """The Authorization header for one repository, learnt from its 401s; safe to share."""

    def __init__(
        self, session: requests.Session, registry: str, credentials: Credentials, *, plain: bool
    ) -> None:
        """Nothing is contacted yet.

        Args:
            session: sends the token requests.
            registry: host and optional port.
            credentials: to log in with.
            plain: the registry is spoken plain HTTP to.
        """
        self._session = session
        self._registry = registry
        self._credentials = credentials
        self._plain = plain
        self._tokens = oras.auth.get_auth_backend("token", session, plain, session.verify)
        if credentials.user is not None:
            self._tokens.set_basic_auth(credentials.user, credentials.password)
        # By whether they allow writing: a token for pulls that another thread has fetched must
        # not take the place of one for pushes.
        self._headers: dict[bool, str] = {}
        self._lock = threading.Lock()

    def header(self, method: str | None) -> str | None:
        """What to send with a request of this method, or None."""
        return self._headers.get(_writes(method))

    def answer(self, response: requests.Response, used: str | None) -> bool:
        """Whether there is now another header than the one that got this 401.

        Raises:
            RegistryError: the token service cannot be reached, or must not be sent the login.
        """
        method = response.request.method
        with self._lock:
            if self.header(method) != used:
                return True  # another thread was faster
            challenge = response.headers.get("WWW-Authenticate", "")
            scheme = challenge.partition(" ")[0].lower()
            found: str | None = None
            if scheme == "basic" and self._credentials.basic is not None:
                found = f"Basic {self._credentials.basic}"
            elif scheme == "bearer" and (token := self._fetch_token(challenge)) is not None:
                found = f"Bearer {token}"
            if found is None or found == used:
                return False
            self._headers[_writes(method)] = found
            return True

    def _fetch_token(self, challenge: str) -> str | None:
        header = oras.auth.utils.parse_auth_header(challenge)
        if not header.realm:
            return None
        where = f"token service {header.realm}"
        if self._credentials.known and not self._plain and header.realm.startswith("http:"):
            raise ExchangeError(
                "the registry wants the login sent in clear text",
                where=where,
                hint="set the registry's auth.token.realm to an https:// address",
            )
        try:
            if self._credentials.identity_token is not None:
                token = self._exchange_identity(header)
            else:
                token = self._tokens.request_token(header)
        except ValueError:  # an answer that is no JSON
            return None
        except (requests.RequestException, OSError, urllib3.exceptions.HTTPError) as error:
            raise explain_exception(error, self._registry, where) from error
        return token if isinstance(token, str) and token else None

    def _exchange_identity(self, header: oras.auth.utils.authHeader) -> object:
        # distribution `docs/spec/auth/oauth.md`; oras knows only the GET form.
        response = self._session.post(
            header.realm,
            data={
                "grant_type": "refresh_token",
                "service": header.service or "",
                "scope": header.scope or "",
                "client_id": "kiln",
                "refresh_token": self._credentials.identity_token,
            },
        )
        return response.json().get("access_token") if response.status_code == 200 else None


def _writes(method: str | None) -> bool:
    return method not in ("GET", "HEAD")
