"""Installs the programs that only tests need: `python -m tests.install`, on Debian as root."""

import os
import sys

from builder.host.setup import provide_programs
from builder.process import run

# By the program's name its Debian package.
PROGRAMS = {
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "cosign": "cosign",
    "docker-registry": "docker-registry",
}

if __name__ == "__main__":
    provide_programs(run, os.environ, None, lambda text: print(text, file=sys.stderr), PROGRAMS)
