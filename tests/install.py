"""Installs the programs that only tests need: `python -m tests.install`, on Debian as root."""

import os
import sys

from builder.host.setup import provide_programs
from builder.process import run

PROGRAMS = ["cosign", "docker-registry"]

if __name__ == "__main__":
    provide_programs(run, os.environ, None, lambda text: print(text, file=sys.stderr), PROGRAMS)
