"""The user's programs around a release and its steps."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.deploy.site import Outcome
from builder.errors import ReleaseError
from builder.plan.release import DeployPlan, Step
from builder.plan.stack import Stack
from builder.process import Runner

_SECONDS = 600.0
_SHOWN_LINES = 10


@dataclass(frozen=True, slots=True)
class Hooks:
    """Programs in a folder, named by their moment; each gets JSON on its input.

    `before-STEP`, `after-STEP` and `before-release` end the release if they fail. `after-release`
    and `failed-release` come when all is done, and change nothing any more.

    Attributes:
        folder: where they are.
        stack: what is released.
        env: the environment for them.
        run: runs programs.
        say: shows a line of what they print.
    """

    folder: Path
    stack: Stack
    env: Mapping[str, str]
    run: Runner
    say: Callable[[str], None]

    def __call__(self, moment: str, step: Step, number: int) -> None:
        """Run the hook of a step, if there is one.

        Raises:
            ReleaseError: it ended with an error, or not in time.
        """
        self._call(
            f"{moment}-{step.do}",
            {"moment": moment, "release": number, "step": step.model_dump(mode="json")},
        )

    def begin(self, plan: DeployPlan) -> None:
        """Run `before-release`, if it is there.

        Raises:
            ReleaseError: it ended with an error, or not in time.
        """
        facts = {"moment": "before", **describe_release(plan)}
        self._call("before-release", {**facts, "text": self._text(plan, "is about to begin")})

    def end(self, plan: DeployPlan, outcome: Outcome, reason: str) -> None:
        """Run `after-release` or `failed-release`, if it is there."""
        moment = "after" if outcome == "live" else "failed"
        words = "serves" if outcome == "live" else f"is {outcome}: {reason}"
        facts = {
            "moment": moment,
            **describe_release(plan),
            "outcome": outcome,
            "reason": reason,
            "text": self._text(plan, words),
        }
        try:
            self._call(f"{moment}-release", facts)
        except ReleaseError as error:
            for line in (f"{error.where}: {error.message}", *error.details):
                self.say(line)

    def _text(self, plan: DeployPlan, words: str) -> str:
        return f"{self.stack.name}: release {plan.release.number} ({plan.release.image}) {words}"

    def _call(self, name: str, facts: Mapping[str, object]) -> None:
        program = self.folder / name
        if not os.access(program, os.X_OK) or program.is_dir():
            return
        given = {"shop": self.stack.shop, "environment": self.stack.environment, **facts}
        try:
            done = self.run(
                [str(program)], env=self.env, stdin=json.dumps(given).encode(), timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ReleaseError(
                f"the hook cannot be run: {error}", where=str(program), hint="mend or remove it"
            ) from None
        printed = tuple((done.stdout + done.stderr).strip().splitlines()[-_SHOWN_LINES:])
        if done.returncode != 0:
            raise ReleaseError(
                f"the hook ended with {done.returncode}",
                where=str(program),
                details=printed,
                hint="a hook that fails ends the release",
            )
        for line in printed:
            self.say(line)


def describe_release(plan: DeployPlan) -> dict[str, object]:
    """What a hook is told of a release. Pure; no secrets."""
    release, previous = plan.release, plan.previous
    return {
        "release": release.number,
        "image": release.image,
        "previous": previous.number if previous else None,
        "previous_image": previous.image if previous else None,
        "rolled_back_to": release.rolled_back_to,
        "migration": plan.migration,
        "reasons": list(plan.reasons),
        "by": release.by,
    }
