"""The bill of materials of an image: Composer's packages and Debian's, as CycloneDX 1.6 JSON.

Pure: same arguments, same bytes. BuildKit's own `--sbom` needs a scanner image, which an offline
host cannot pull, and knows less: what is in vendor/ is said by composer.lock.
"""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from builder.errors import BuildError

DPKG_QUERY_FORMAT = "${binary:Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\n"
"""The argument of `dpkg-query -W -f` whose output `parse_dpkg` reads."""

# Any fixed UUID will do, as long as it never changes.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "kiln.invalid")

# CycloneDX/cyclonedx-property-taxonomy, `cdx/composer.md`.
_PROPERTY_REFERENCE = "cdx:composer:package:distReference"


class ComposerPackage(Protocol):
    """What the SBOM needs of a package in composer.lock."""

    @property
    def name(self) -> str:
        """`vendor/name`."""

    @property
    def version(self) -> str:
        """As composer.lock has it, e.g. `2.4.7-p3` or `v6.4.1`."""

    @property
    def licences(self) -> tuple[str, ...]:
        """SPDX identifiers, expressions or other text; several mean a choice."""

    @property
    def reference(self) -> str | None:
        """The commit of the dist or source, or None."""


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """An installed Debian package.

    Attributes:
        name: binary package, without the architecture.
        version: with epoch and revision.
        architecture: `amd64`, `all`, …
        source: source package, which security advisories speak of.
    """

    name: str
    version: str
    architecture: str
    source: str


def parse_dpkg(text: str) -> tuple[DebianPackage, ...]:
    """Read the output of `dpkg-query -W -f DPKG_QUERY_FORMAT`.

    Packages without a version are known to dpkg but not installed, and left out.

    Raises:
        BuildError: a line has not four fields.
    """
    packages = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) != 4:
            raise BuildError(
                f"not a line of dpkg-query: {line[:80]!r}", where=f"list of packages:{number}"
            )
        name, version, architecture, source = (item.strip() for item in fields)
        if version:
            # `${binary:Package}` says libc6:amd64 where a package can be installed for several.
            name = name.partition(":")[0]
            packages.append(DebianPackage(name, version, architecture, source or name))
    return tuple(packages)


def build_sbom(
    composer_packages: Iterable[ComposerPackage],
    dpkg_packages: Iterable[DebianPackage],
    name: str,
    digest: str,
    created: datetime,
    *,
    distro: str = "bookworm",
) -> str:
    """Write an image's bill of materials.

    Args:
        composer_packages: the packages in vendor/, without the development ones.
        dpkg_packages: the packages installed in the image.
        name: the image's repository, without tag or digest.
        digest: `sha256:…` of the image manifest; the serial number derives from it.
        created: when the image was built, with a time zone.
        distro: code name of the Debian release, for the package URLs.

    Returns:
        CycloneDX 1.6 JSON, the same for the same arguments in any order.

    Raises:
        ValueError: `digest` is not a sha256 digest or `created` has no time zone.
    """
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise ValueError(f"not a sha256 digest: {digest!r}")
    if created.tzinfo is None:
        raise ValueError("created has no time zone")
    encoded = digest.removeprefix("sha256:")
    image = Component(
        type=ComponentType.CONTAINER,
        bom_ref=f"{name}@{digest}",
        name=name,
        version=digest,
        purl=PackageURL(
            "oci",
            None,
            name.rpartition("/")[2],
            digest,
            {"repository_url": name},
        ),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=encoded)],
    )
    # Keyed by reference: multi-arch and repeated entries would give a reference twice, which the
    # schema forbids.
    found = {
        str(component.bom_ref.value): component
        for component in (
            *(_composer_component(package) for package in composer_packages),
            *(_debian_component(package, distro) for package in dpkg_packages),
        )
    }
    components = [found[ref] for ref in sorted(found)]
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, digest),
        components=components,
    )
    bom.metadata.timestamp = created
    bom.metadata.component = image
    bom.register_dependency(image, components)
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _composer_component(package: ComposerPackage) -> Component:
    vendor, slash, short = package.name.partition("/")
    if not slash:
        vendor, short = "", package.name
    purl = PackageURL("composer", vendor or None, short, package.version)
    component = Component(
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        group=vendor or None,
        name=short,
        version=package.version,
        purl=purl,
        licenses=_licences(package.licences),
    )
    if package.reference:
        component.properties.add(Property(name=_PROPERTY_REFERENCE, value=package.reference))
    return component


def _debian_component(package: DebianPackage, distro: str) -> Component:
    qualifiers = {"arch": package.architecture, "distro": distro}
    if package.source != package.name:
        # Not in the purl specification; grype matches advisories, which speak of source
        # packages, by it (anchore/syft#769).
        qualifiers["upstream"] = package.source
    purl = PackageURL("deb", "debian", package.name, package.version, qualifiers)
    return Component(
        type=ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        name=package.name,
        version=package.version,
        purl=purl,
    )


def _licences(texts: tuple[str, ...]) -> list[DisjunctiveLicense | LicenseExpression]:
    """Composer's licences in CycloneDX's terms.

    CycloneDX takes either one expression or any number of single licences, not both, so an
    expression among others is kept as the text of a licence.
    """
    factory = LicenseFactory()
    made = [factory.make_from_string(text) for text in dict.fromkeys(texts) if text.strip()]
    if len(made) == 1:
        return list(made)
    return [
        DisjunctiveLicense(name=licence.value)
        if isinstance(licence, LicenseExpression)
        else licence
        for licence in made
    ]
