"""One repository over HTTP: requests with a login, a timeout, a proxy and repetitions."""

import urllib.parse
from collections.abc import Callable, Container, Iterable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests
import requests.adapters
import urllib3.exceptions

from builder.process import Runner
from builder.registry.access import RegistryAccess
from builder.registry.authorization import Authorizer
from builder.registry.credentials import find_credentials
from builder.registry.explain import ExchangeError, explain_exception, explain_status
from builder.registry.reference import DOCKER_HUB, DOCKER_HUB_API, ImageReference

ANY_STATUS = range(200, 600)
BLOCK = 256 * 1024
PARALLEL = 4

_ATTEMPTS = 4
_MAX_WAIT = 30.0  # seconds between two attempts, whatever Retry-After says
_CONNECT_TIMEOUT = 10.0

T = TypeVar("T")


class Connection:
    """One repository in one registry; safe to use from several threads.

    Attributes:
        where: the place, for errors.
    """

    def __init__(
        self,
        ref: ImageReference,
        access: RegistryAccess,
        run: Runner,
        sleep: Callable[[float], None],
    ) -> None:
        """Nothing is contacted yet, save a credential helper.

        Raises:
            RegistryError: the login or the CA bundle cannot be read.
        """
        self._ref = ref
        self.where = f"registry {ref.registry}, repository {ref.repository}"
        self._sleep = sleep
        host = DOCKER_HUB_API if ref.registry == DOCKER_HUB else ref.registry
        plain = access.without_tls(ref.registry)
        self._base = f"{'http' if plain else 'https'}://{host}/v2/{ref.repository}/"
        self._session = requests.Session()
        self._session.verify = access.trusted_certificates()
        # Harbor takes a client that returns its cookies for a browser, and wants a CSRF token.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # trust_env would bring in ~/.netrc and the environment's proxies.
        self._session.trust_env = False
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter(access))
        self._credentials = find_credentials(access.auth_config, ref.registry, run)
        self._authorizer = Authorizer(self._session, ref.registry, self._credentials, plain=plain)

    def request(
        self,
        method: str,
        path: str,
        *,
        expect: Container[int],
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] | bytes | None = None,
        timeout: float | None = None,
        attempts: int = _ATTEMPTS,
    ) -> requests.Response:
        """One request, with a login if the registry wants one, repeated while that may help.

        Args:
            method: GET, HEAD, POST, PUT or DELETE.
            path: below the repository, or a whole URL the registry gave.
            expect: status codes that are an answer rather than a failure.
            headers: further headers.
            body: is iterated anew where the request must be repeated.
            timeout: seconds of silence, also while connecting: urllib3 sends the body under
                that limit; None for the usual.
            attempts: how often at most.

        Returns:
            A response; that of a GET has not been read yet.

        Raises:
            ExchangeError: anything else came of it.
        """

        def once() -> requests.Response:
            response = self._authorized(method, path, headers or {}, body, timeout)
            if response.status_code in expect:
                return response
            raise explain_status(response, self._ref, self._credentials)

        return self.retry(once, attempts)

    def retry(self, action: Callable[[], T], attempts: int = _ATTEMPTS) -> T:
        """Call `action` until it succeeds, fails for good or has failed `attempts` times."""
        for attempt in range(1, attempts):
            try:
                return action()
            except ExchangeError as failure:
                if not failure.transient:
                    raise
                self._sleep(min(_MAX_WAIT, failure.wait or 0.5 * 3 ** (attempt - 1)))
        return action()

    def _authorized(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: Iterable[bytes] | bytes | None,
        timeout: float | None,
    ) -> requests.Response:
        url = urllib.parse.urljoin(self._base, path)
        # An upload may go straight to object storage, which must not see the login.
        ours = urllib.parse.urlsplit(url).netloc == urllib.parse.urlsplit(self._base).netloc
        tries = 3  # without a token, with one that has run out meanwhile, with a new one
        while True:
            used = self._authorizer.header(method) if ours else None
            try:
                response = self._session.request(
                    method,
                    url,
                    data=body,
                    headers={**headers, "Authorization": used},
                    stream=method == "GET",
                    timeout=timeout,
                    allow_redirects=method in ("GET", "HEAD"),
                )
            except (requests.RequestException, OSError, urllib3.exceptions.HTTPError) as error:
                raise explain_exception(error, self._ref.registry, self.where) from error
            tries -= 1
            challenged = response.status_code == 401 and ours and tries > 0
            if not challenged or not self._authorizer.answer(response, used):
                return response
            response.close()

    def resolve_url(self, response: requests.Response, address: str) -> str:
        """The URL that a registry names in a response, e.g. in its Location."""
        url = urllib.parse.urljoin(response.url, address)
        parts, base = urllib.parse.urlsplit(url), urllib.parse.urlsplit(self._base)
        if parts.netloc == base.netloc:
            # A registry behind a TLS proxy that does not tell it so answers http://.
            url = urllib.parse.urlunsplit(parts._replace(scheme=base.scheme))
        return url


class _Adapter(requests.adapters.HTTPAdapter):
    """Gives every request a timeout (oras's token requests have none) and the right proxy."""

    def __init__(self, access: RegistryAccess) -> None:
        self._access = access
        super().__init__(pool_maxsize=2 * PARALLEL)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        # urllib3 reads a body in blocks of 16 KiB, which costs one core at 1 Gbit/s.
        super().init_poolmanager(*args, **kwargs, blocksize=BLOCK)

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or (_CONNECT_TIMEOUT, self._access.read_timeout)
        kwargs["proxies"] = self._access.proxies_for(str(request.url))
        return super().send(request, *args, **kwargs)
