"""The API of a swarm, asked of whichever of its managers answers."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from builder.deploy.engine import Engine, explain_refusal, is_no_answer
from builder.errors import EngineError

# An election takes seconds; a manager that has lost the others says so for a while.
_PATIENCE_SECONDS = 90.0
_PAUSE = 0.5
_LEADERLESS = (
    "does not have a leader",
    "rpc error: code = Unavailable",
    "rpc error: code = DeadlineExceeded",
    "context deadline exceeded",
    "not a swarm manager",
    "raft: ",
)
_OUT_OF_SEQUENCE = "update out of sequence"


class SwarmRefusedError(EngineError):
    """The swarm does not do it.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, message: str, where: str) -> None:
        super().__init__(message, where=where, hint="mend it, then `kiln resume`")
        self.status = status

    @property
    def is_conflict(self) -> bool:
        """Whether somebody else has changed the object meanwhile."""
        return _OUT_OF_SEQUENCE in self.message


@dataclass
class Managers:
    """The managers of a swarm.

    Attributes:
        engines: theirs.
    """

    engines: list[Engine]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _turn: int = field(default=0)

    @property
    def engine(self) -> Engine:
        """The manager that answered last."""
        return self.engines[self._turn % len(self.engines)]

    def get(self, path: str, **filters: list[str]) -> Any:
        """What is there; filters as the API has them.

        Raises:
            SwarmRefusedError: it is refused; `status` 404 where there is no such thing.
            EngineError: no manager answers.
        """
        params = {"filters": json.dumps(filters)} if filters else {}
        return self.ask("GET", path, params=params).json()

    def create(self, kind: str, spec: Mapping[str, Any], auth: str = "") -> str:
        """Make an object, e.g. of kind `services`; its ID.

        One of the same name that is there already is taken: a manager may have ended after it had
        made it.

        Raises:
            SwarmRefusedError: it is refused.
        """
        headers = {"X-Registry-Auth": auth} if auth else {}
        try:
            made = self.ask("POST", f"{kind}/create", body=spec, headers=headers).json()
        except SwarmRefusedError as error:
            if error.status != 409:
                raise
            made = self.get(f"{kind}/{spec['Name']}")
        return str(made.get("ID") or made["Id"])

    def update(
        self, kind: str, name: str, change: Callable[[dict[str, Any]], bool], auth: str = ""
    ) -> bool:
        """Change an object's spec; what another changes meanwhile is read anew.

        Args:
            kind: e.g. `services`.
            name: or ID.
            change: changes the spec in place; False where it is right already.
            auth: for the registry.

        Returns:
            Whether it was changed.

        Raises:
            SwarmRefusedError: it is refused, or not there.
        """
        headers = {"X-Registry-Auth": auth} if auth else {}
        while True:
            found = self.get(f"{kind}/{name}")
            spec = found["Spec"]
            if not change(spec):
                return False
            version = {"version": str(found["Version"]["Index"])}
            try:
                self.ask(
                    *("POST", f"{kind}/{found['ID']}/update"),
                    params=version,
                    body=spec,
                    headers=headers,
                )
            except SwarmRefusedError as error:
                if not error.is_conflict:
                    raise
            else:
                return True

    def remove(self, kind: str, name: str) -> bool:
        """Remove an object; False where it is in use. None is no error.

        Raises:
            EngineError: no manager answers.
        """
        try:
            self.ask("DELETE", f"{kind}/{name}")
        except SwarmRefusedError as error:
            return error.status == 404
        return True

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] = {},
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] = {},
    ) -> requests.Response:
        """One question, to the next manager where one does not answer.

        Raises:
            SwarmRefusedError: it is refused.
            EngineError: none answers.
        """
        until = self.clock() + _PATIENCE_SECONDS
        while True:
            engine = self.engine
            api: Any = engine.client.api
            try:
                answer = api.request(
                    method,
                    f"{api.base_url}/v{api.api_version}/{path}",
                    params=dict(params),
                    json=body,
                    headers=dict(headers),
                    # Short: while one that has fallen silent is waited for, the lease runs out.
                    timeout=(5, 15),
                )
            except Exception as error:
                if not is_no_answer(error):
                    raise
                said = f"no manager of the swarm answers: {error}"
            else:
                if answer.ok:
                    return answer  # type: ignore[no-any-return]
                said = _message(answer)
                if not any(words in said for words in _LEADERLESS):
                    raise SwarmRefusedError(answer.status_code, said, f"{engine.name} {path}")
            if self.clock() > until:
                raise explain_refusal(said, engine.name)
            if engine is self.engine:
                # Not where another thread has gone on to the next already.
                self._turn += 1
            if self._turn % len(self.engines) == 0:
                self.sleep(_PAUSE)
                # Not before: a host that is down lets one wait, while the next one answers.
                for one in self.engines:
                    if one.log_in_again(one.logins):
                        break

    def tasks(self, **filters: list[str]) -> list[dict[str, Any]]:
        """Tasks, e.g. of `service`s by name."""
        found: list[dict[str, Any]] = self.get("tasks", **filters)
        return found


def _message(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"]).strip()
    except (ValueError, KeyError):
        return answer.text.strip()[:300]
