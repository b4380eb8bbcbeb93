"""The user's programs around the steps of a release."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.errors import ReleaseError
from builder.plan.release import Step
from builder.plan.stack import Stack
from builder.process import Runner

_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Hooks:
    """Programs named before-STEP and after-STEP in a folder; each gets JSON on its input.

    Attributes:
        folder: where they are.
        stack: what is released.
        env: the environment for them.
        run: runs programs.
    """

    folder: Path
    stack: Stack
    env: Mapping[str, str]
    run: Runner

    def __call__(self, moment: str, step: Step, number: int) -> None:
        """Run the hook of a moment, if there is one.

        Raises:
            ReleaseError: it ended with an error, or not in time.
        """
        program = self.folder / f"{moment}-{step.do}"
        if not os.access(program, os.X_OK) or program.is_dir():
            return
        facts = {
            "moment": moment,
            "shop": self.stack.shop,
            "environment": self.stack.environment,
            "release": number,
            "step": step.model_dump(mode="json"),
        }
        try:
            done = self.run(
                [str(program)], env=self.env, stdin=json.dumps(facts).encode(), timeout=_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ReleaseError(
                f"the hook cannot be run: {error}", where=str(program), hint="mend or remove it"
            ) from None
        if done.returncode != 0:
            raise ReleaseError(
                f"the hook ended with {done.returncode}",
                where=str(program),
                details=tuple((done.stderr or done.stdout).strip().splitlines()[-10:]),
                hint="a hook that fails ends the release",
            )
