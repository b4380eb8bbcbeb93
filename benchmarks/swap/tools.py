"""The tools that are compared. Each brings a running stack to another image."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.swap.stack import Shop, Stack, start_shop


@dataclass(frozen=True)
class Tool:
    """`start` brings up a new stack's shop. `swap` brings it to `stack.image` and returns when the
    tool says that it is done. `stop` undoes what removing the stack's project does not.
    """

    name: str
    start: Callable[[Stack], Shop]
    swap: Callable[[Stack], None]
    stop: Callable[[Stack], None]


def leave(stack: Stack) -> None:
    """The stack's removal takes all."""


# -- docker compose ---------------------------------------------------------------------------


def swap_by_compose(stack: Stack) -> None:
    """`docker compose up -d` with another image: stop, remove, start."""
    stack.compose("up", "--detach")


# -- docker rollout ---------------------------------------------------------------------------

# Defaults of github.com/wowu/docker-rollout, v0.12.
HEALTHCHECK_TIMEOUT_S = 60
# From its documentation, "container draining": the check fails where the file is, and the hook
# takes longer than the proxy needs to see it. haproxy.cfg asks for the file.
DRAIN_HOOK = "touch /app/pub/static/_cache/drain && sleep 10"


def swap_by_rollout(stack: Stack, pre_stop_hook: str = "") -> None:
    """The steps of docker-rollout v0.12 (MIT, Karol Musur), its `main()`, for a service `web`
    that runs and has a health check. Raises RuntimeError where the new ones are not healthy."""
    old = stack.compose("ps", "--quiet", "web").split()
    doubled = 2 * len(old)
    stack.compose("up", "--detach", "--scale", f"web={doubled}", "--no-recreate", "web")
    new = [one for one in stack.compose("ps", "--quiet", "web").split() if one not in old]
    for _ in range(HEALTHCHECK_TIMEOUT_S):
        if all(map(_is_healthy, new)):
            break
        time.sleep(1)
    if not all(map(_is_healthy, new)):
        _docker("stop", *new)
        _docker("rm", *new)
        raise RuntimeError("docker rollout: the new containers are not healthy")
    if pre_stop_hook:
        hooks = [
            threading.Thread(target=_docker, args=("exec", one, "sh", "-c", pre_stop_hook))
            for one in old
        ]
        for hook in hooks:
            hook.start()
        for hook in hooks:
            hook.join()
    _docker("stop", *old)
    _docker("rm", *old)


def swap_by_draining_rollout(stack: Stack) -> None:
    """With the hook that its documentation recommends against lost requests."""
    swap_by_rollout(stack, DRAIN_HOOK)


def _is_healthy(container: str) -> bool:
    return bool(
        json.loads(_docker("inspect", "--format", "{{json .State.Health.Status}}", container))
        == "healthy"
    )


def _docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


TOOLS = [
    Tool("compose", start_shop, swap_by_compose, leave),
    Tool("rollout", start_shop, swap_by_rollout, leave),
    Tool("rollout+drain", start_shop, swap_by_draining_rollout, leave),
]
