"""From what a failing step printed to what most likely went wrong. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """A known way to fail.

    Attributes:
        pattern: found in a line that the step printed.
        message: what it means.
        hint: what to do.
    """

    pattern: re.Pattern[str]
    message: str
    hint: str


def _cause(pattern: str, message: str, hint: str) -> Cause:
    return Cause(re.compile(pattern), message, hint)


DISK_FULL = _cause(
    r"[Nn]o space left on device|ENOSPC",
    "the disk of the engine is full",
    "free room (`docker system df` shows who holds it; `docker buildx prune` drops old layers)",
)

# What the client of BuildKit says when it cannot store the image that it is sent.
CACHE_FULL = _cause(
    r"failed to send write: .*[Nn]o space left on device",
    "the disk of Kiln's cache is full",
    "free room, or set KILN_CACHE to a folder on a larger disk",
)

CAUSES = (
    CACHE_FULL,
    DISK_FULL,
    _cause(
        r"SQLSTATE\[HY000\] \[(2002|2005|2006|1045)\]|php_network_getaddresses|"
        r"Connection \"?default\"? is not defined|No database selected",
        "a module opens a database connection during the build, which has no database",
        "find the class in the trace above: a constructor or a CLI command that reads "
        "configuration or a collection at once; inject a \\Proxy or move the read to where it is "
        "used",
    ),
    _cause(
        r"The default website isn't defined",
        "app/etc/config.php has no scopes",
        "run `bin/magento app:config:dump scopes themes` on a development system and commit it",
    ),
    _cause(
        r"could not be resolved|Could not resolve host|Temporary failure in name resolution",
        "a host cannot be resolved",
        "move the download to a front-end build, since compile and static content run without "
        "network, or check the build host's DNS",
    ),
    _cause(
        r"SSL certificate problem|certificate verify failed|unable to get local issuer|"
        r"SELF_SIGNED_CERT|self[- ]signed certificate",
        "a TLS certificate is not trusted inside the build",
        "name the host's CA bundle as build.ca_bundle in kiln.yaml",
    ),
    _cause(
        r"(401|403).*(Unauthorized|Forbidden|denied)|Invalid credentials|"
        r"could not be authenticated|requires authentication|HTTP Basic: Access denied|"
        r"Bad credentials|URL required authentication",
        "a package repository does not accept the credentials",
        "check the secret composer_auth: a COMPOSER_AUTH value or auth.json with the "
        "repository's host and keys",
    ),
    _cause(
        r"is not present in the lock file|lock file is not up to date|"
        r"Required package .* is not present",
        "composer.lock is out of step with composer.json",
        "run `composer update --lock` and commit both",
    ),
    _cause(
        r"Your lock file does not contain a compatible set of packages|"
        r"requires php .* your php version|ext-\S+ .* is missing from your system",
        "the image's PHP does not fit composer.lock",
        "set php.version, or add the extension to php.extensions in kiln.yaml",
    ),
    _cause(
        r"Allowed memory size of .* exhausted|Out of memory|Killed\b",
        "the step ran out of memory",
        "give the build host more memory, or fewer cores to the build",
    ),
    _cause(
        r"Unable to locate package|has no installation candidate",
        "the base image's package sources do not carry a package",
        "check base.image, base.packages and php.version in kiln.yaml",
    ),
    _cause(
        r"Reversed \(or previously applied\) patch detected",
        "the tree has what a patch changes already",
        "take the patch out of hooks.patches; the version in composer.lock may have it",
    ),
    _cause(
        r"Hunk #\d+ FAILED|can't find file to patch|Only garbage was found in the patch",
        "a patch does not fit the tree",
        "renew the patch against the version in composer.lock",
    ),
    _cause(
        r"Compilation from source|Variable .* is undefined|ParseError: |less.*(error|failed)",
        "a stylesheet does not compile",
        "see the lines above for the LESS file and the place in it",
    ),
)


def likely_cause(lines: Iterable[str]) -> Cause | None:
    """The first known cause that the lines show, looking from the last line back."""
    for line in reversed(list(lines)):
        for cause in CAUSES:
            if cause.pattern.search(line):
                return cause
    return None
