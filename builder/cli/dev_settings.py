"""The settings of environments/development.yaml, for the containers of `kiln dev`."""

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.cli.render_config import read_delivery
from builder.cli.settings import Settings
from builder.magento.delivery import Delivery
from builder.magento.env_tree import SecretRef
from builder.magento.readers import WayKind
from builder.process import run
from builder.project.environments import DEVELOPMENT, environment_names, load_environment
from builder.project.loading import Project
from builder.render.development import render_settings
from builder.secrets.files import Owner, read_file, refused, write_file
from builder.secrets.sources import open_source, read_secrets
from builder.secrets.value import SecretValue

# With a dot, so that no secret has its name.
_ID = "settings.id"


@dataclass(frozen=True, slots=True)
class Provided:
    """What was written.

    Attributes:
        identity: another one whenever something has changed; empty where there are no settings.
        left_out: settings that cannot be given to a development system, with the reason.
    """

    identity: str
    left_out: tuple[str, ...]


def provide_settings(
    project: Project, settings: Settings, folder: Path, owner: tuple[int, int]
) -> Provided:
    """Write settings.php and the secrets that it reads, unless they are there as they should be.

    Args:
        project: the shop.
        settings: the user's surroundings, which secrets may come from.
        folder: `DevelopmentPlan.settings_folder`.
        owner: user and group of the shop's container.

    Raises:
        ProjectFileError: environments/development.yaml is not right, or cannot work.
        SecretError: a secret cannot be read, or the folder not written.
    """
    delivery = None
    if DEVELOPMENT in environment_names(project.root):
        delivery = read_delivery(project, DEVELOPMENT)
    left_out = tuple(_left_out(delivery)) if delivery else ()
    wanted = {
        **_read_secrets(project, settings, delivery),
        "settings.php": SecretValue(render_settings(delivery).encode()),
    }
    try:
        return Provided(_write(folder, wanted, owner, bool(delivery and delivery.config)), left_out)
    except OSError as error:
        raise refused(error, folder) from None


def _write(
    folder: Path, wanted: Mapping[str, SecretValue], owner: tuple[int, int], any_settings: bool
) -> str:
    """Bring a folder to what it is to hold, and give its id back."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {path.name for path in folder.iterdir()}
    of_root = Owner(*owner) if os.geteuid() == 0 else None
    if of_root:
        os.chown(folder, *owner)
    identity = _identity(folder)
    if kept != {*wanted, _ID} or any(_differs(folder / name, wanted[name]) for name in wanted):
        identity = secrets.token_hex(8) if any_settings else ""
        # The id first: killed after it, the next run finds other files and gives another. What
        # settings.php reads comes before it, and goes after it.
        for name, value in {_ID: SecretValue(identity.encode()), **wanted}.items():
            write_file(folder / name, value, mode=0o600, owner=of_root, work=folder)
        for name in kept - {*wanted, _ID}:
            (folder / name).unlink()
    return identity


def _read_secrets(
    project: Project, settings: Settings, delivery: Delivery | None
) -> dict[str, SecretValue]:
    values = delivery.config.values() if delivery else ()
    names = sorted({one.name for one in values if isinstance(one, SecretRef)})
    source = load_environment(project.root, DEVELOPMENT).file.secrets if names else None
    if source is None:
        return {}
    return read_secrets(open_source(source, project.root, settings.env, run), names)


def _identity(folder: Path) -> str:
    path = folder / _ID
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _differs(path: Path, wanted: SecretValue) -> bool:
    return read_file(path) != wanted


def _left_out(delivery: Delivery) -> Iterator[str]:
    for way in delivery.ways:
        if way.way is WayKind.SYSTEM:
            yield f"{way.where}: {way.path} ({way.scope}) is left out: {way.reason.split(';')[0]}"
