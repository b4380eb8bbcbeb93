from collections.abc import Mapping

from builder.deploy.site import Driver
from builder.plan.stack import Stack
from builder.process import Runner
from builder.project.deployment import Swarm


def open_swarm(stack: Stack, swarm: Swarm, env: Mapping[str, str], run: Runner) -> Driver:
    raise NotImplementedError
