"""What a stack keeps between commands, in its tree's cache folder: ports and generated secrets."""

import contextlib
import json
import os
import secrets
import socket
import string
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from builder.build.disk import explain_refusal
from builder.errors import HostError
from builder.plan.development import QUEUE_USER, SECRETS, DevelopmentPlan, Ports, port_block

_ALPHABET = string.ascii_letters + string.digits
_PORTS = "ports.json"


def choose_ports(name: str, state: Path, held: Collection[int]) -> tuple[Ports, bool]:
    """The ports of the last time, or a block that is free where one of those is taken.

    Args:
        name: of the stack; it says where to begin to look.
        state: the stack's folder.
        held: ports that the stack's own containers have.

    Returns:
        The ports, and whether they are others than the last time.

    Raises:
        HostError: no block is free.
    """
    remembered = read_ports(state)
    if remembered and all(port in held or _is_free(port) for port in remembered.all()):
        return remembered, False
    for attempt in range(1000):
        ports = Ports.block(port_block(name, attempt))
        if all(port in held or _is_free(port) for port in ports.all()):
            _write(state / _PORTS, json.dumps(asdict(ports)))
            return ports, remembered is not None
    raise HostError(
        "no four ports in a row are free between 20000 and 29999",
        where="127.0.0.1",
        hint="stop what holds them; `ss -ltn` shows it",
    )


def read_ports(state: Path) -> Ports | None:
    """The ports of the last time; None where there was none."""
    try:
        return Ports(**json.loads((state / _PORTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the engine binds: an address that only waits for old connections is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def provide_secrets(state: Path, owner: tuple[int, int]) -> str:
    """Make the stack's secrets unless they are there.

    They are of use in this stack alone, and each container that needs one gets it as a file.

    Args:
        state: the stack's folder.
        owner: user and group of the shop's container, which reads them.

    Returns:
        An id of the secrets, which says nothing about them.
    """
    folder = state / "secrets"
    identity = folder / "id"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        _give(folder, owner)
        if all((folder / name).is_file() for name in (*SECRETS, "id")):
            return identity.read_text(encoding="utf-8")
        for name in SECRETS:
            _write(folder / name, _generate(), owner)
        # For an official RabbitMQ image, which has no variable for a password's file.
        password = (folder / "queue_password").read_text(encoding="utf-8")
        _write(
            folder / "queue_conf",
            f"default_user = {QUEUE_USER}\ndefault_pass = {password}\n",
            owner,
        )
        # Written last: without it the others may not be whole.
        _write(identity, secrets.token_hex(8), owner)
        return identity.read_text(encoding="utf-8")
    except OSError as error:
        raise explain_refusal(error, state) from None


def open_to_images(plan: DevelopmentPlan) -> None:
    """Let the users of named images read their secrets.

    Kiln's own images read them as root and step down; an official one steps down first. The folder
    around them stays closed to the host's other users.
    """
    for service, names in (("database", ["database_password"]), ("queue", ["queue_conf"])):
        for name in names:
            path = plan.secrets_folder / name
            path.chmod(0o644 if service in plan.images else 0o600)


def _generate() -> str:
    # Letters and digits: nothing to quote in SQL, JSON or PHP. Magento asks for both in the
    # Admin's password, and for 32 characters in the key.
    while True:
        value = "".join(secrets.choice(_ALPHABET) for _ in range(32))
        if any(one.isdigit() for one in value) and any(one.isalpha() for one in value):
            return value


def _write(path: Path, text: str, owner: tuple[int, int] | None = None) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.unlink(missing_ok=True)
    with open(
        temporary, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)
    ) as file:
        file.write(text)
    if owner:
        _give(temporary, owner)
    temporary.replace(path)


def _give(path: Path, owner: tuple[int, int]) -> None:
    # Only root can; anyone else runs this for a tree of their own.
    with contextlib.suppress(PermissionError):
        os.chown(path, *owner)
