"""Files in git that hold secrets, or values of one system. Pure."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator

from builder.magento.finding import Finding
from builder.project.environment import DirectorySource
from builder.project.environments import Environment
from builder.project.loading import Project

_REMOVE = "`git rm --cached`, add it to .gitignore, and change what it held: git keeps it"
# What others wrote and published: test keys, samples.
_FOREIGN = re.compile(r"(?:vendor|dev|lib/internal|setup|node_modules)/")
_DUMP = re.compile(r".*\.(?:sql|mysql|dump)(?:\.(?:gz|bz2|xz|zst|zip))?", re.I)
_KEY_FILE = re.compile(r".*(?:\.(?:pem|key|p12|pfx|ppk)|/?id_(?:rsa|dsa|ecdsa|ed25519))", re.I)
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
_BINARY_KEY = (".p12", ".pfx", ".ppk")
_CREDENTIALS = re.compile(
    rb'"(?:http-basic|bearer|github-oauth|gitlab-token|gitlab-oauth|bitbucket-oauth)"\s*:\s*\{\s*"'
)


def find_committed_files(
    tracked: Iterable[str], secret_places: Iterable[str], read: Callable[[str], bytes]
) -> Iterator[Finding]:
    """Name the files that git should not have.

    Args:
        tracked: paths of all files that git has, relative to the shop's root.
        secret_places: files and folders that kiln.yaml and environments name as secrets.
        read: gives the content of a tracked file; empty where it is gone.
    """
    places = tuple(place.rstrip("/") for place in secret_places)
    for path in sorted(tracked):
        message = _wrong_with(path, places, read)
        if message:
            yield Finding(message, path, _REMOVE)


def _wrong_with(path: str, places: tuple[str, ...], read: Callable[[str], bytes]) -> str:
    name = posixpath.basename(path)
    if any(path == place or path.startswith(f"{place}/") for place in places):
        return "git has a file that is a secret's source"
    if _FOREIGN.match(path):
        return ""
    if path == "app/etc/env.php":
        return "git has env.php, which holds one system's values and secrets"
    if name == "auth.json" and _CREDENTIALS.search(read(path)):
        return "git has auth.json with credentials"
    if _DUMP.fullmatch(name):
        return "git has a database dump: customers, hashes and configuration"
    if _KEY_FILE.fullmatch(name) and (
        name.lower().endswith(_BINARY_KEY) or _PRIVATE_KEY.search(read(path))
    ):
        return "git has a private key"
    return ""


def secret_places(project: Project, environments: Iterable[Environment]) -> Iterator[str]:
    """The files and folders of the tree that kiln.yaml and environments name as secrets."""
    file = project.file
    named = [source.file for source in (*file.build.secrets.values(), file.sign.password) if source]
    named.append(file.sign.key)
    for environment in environments:
        if isinstance(environment.file.secrets, DirectorySource):
            named.append(environment.file.secrets.directory)
    for one in named:
        place = posixpath.relpath(project.root / one, project.root) if one else ".."
        # A place outside of the tree is not in its git.
        if place != "." and not place.startswith(".."):
            yield place
