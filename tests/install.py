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
    "iptables": "iptables",
    "socat": "socat",
    "/usr/sbin/sshd": "openssh-server",
}

if __name__ == "__main__":
    # The tests' own hosts have an sshd each; Debian's is not to start on this machine as well.
    env = {**os.environ, "RUNLEVEL": "1"}
    provide_programs(run, env, None, lambda text: print(text, file=sys.stderr), PROGRAMS)
