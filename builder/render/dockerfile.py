"""BuildPlan -> the Dockerfile's text and the files that it copies in. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import jinja2

from builder.magento.paths import excluded_pattern, mount_points
from builder.plan.build import BuildPlan, InputGroup, make_group
from builder.project.tree import Entry
from builder.render.templates import template_environment, template_folder

# What the build needs besides PHP: Composer, the means to fetch and unpack packages, patch.
TOOL_PACKAGES = ("ca-certificates", "composer", "git", "patch", "unzip")


@dataclass(frozen=True, slots=True)
class RenderedBuild:
    """What BuildKit is given.

    Attributes:
        dockerfile: the text.
        support: the files of the context `kiln`: build scripts, nginx and PHP configuration.
        contents: the text of each file in `support`, by path.
    """

    dockerfile: str
    support: InputGroup
    contents: Mapping[str, bytes]


def render_build(plan: BuildPlan) -> RenderedBuild:
    """Render the Dockerfile and its support files."""
    environment = template_environment()
    values = {
        "plan": plan,
        "tool_packages": TOOL_PACKAGES,
        "writable": mount_points(),
        "excluded_pattern": excluded_pattern(),
        "kept_paths": plan.kept_paths,
    }
    contents = _support_files(environment, values, plan.php_version)
    entries = (
        Entry(
            path=path,
            size=len(text),
            executable=text.startswith(b"#!"),
            digest=hashlib.sha256(text).hexdigest(),
        )
        for path, text in contents.items()
    )
    dockerfile = environment.get_template("image.Dockerfile.j2").render(values)
    return RenderedBuild(dockerfile, make_group("kiln", entries), contents)


def _support_files(
    environment: jinja2.Environment, values: Mapping[str, object], php_version: str
) -> dict[str, bytes]:
    def rendered(name: str) -> bytes:
        return environment.get_template(name).render(values).encode()

    def plain(name: str) -> bytes:
        return (template_folder() / name).read_bytes()

    ini = rendered("runtime/php.ini.j2")
    return {
        "build/caches.php": plain("build/caches.php"),
        "build/collect": rendered("build/collect.j2"),
        "build/composer/config.json": plain("build/composer/config.json"),
        "build/fix-times": rendered("build/fix-times.j2"),
        "build/in-slot": plain("build/in-slot"),
        "build/magento": plain("build/magento"),
        "build/remove-excluded.php": rendered("build/remove-excluded.php.j2"),
        "build/share-files.php": rendered("build/share-files.php.j2"),
        "build/sort-globs": plain("build/sort-globs"),
        "runtime/etc/kiln/nginx.conf": rendered("runtime/nginx.conf.j2"),
        "runtime/etc/kiln/php-fpm.conf": rendered("runtime/php-fpm.conf.j2"),
        f"runtime/etc/php/{php_version}/cli/conf.d/99-kiln.ini": ini,
        f"runtime/etc/php/{php_version}/fpm/conf.d/99-kiln.ini": ini,
        "runtime/usr/local/bin/kiln-entrypoint": rendered("runtime/kiln-entrypoint.j2"),
        "runtime/usr/local/bin/kiln-health": plain("runtime/kiln-health"),
        "runtime/usr/local/bin/kiln-warm": plain("runtime/kiln-warm"),
        "runtime/usr/local/bin/kiln-release": plain("runtime/kiln-release"),
        "runtime/usr/local/lib/kiln/release-env.php": plain("runtime/release-env.php"),
        "runtime/usr/local/lib/kiln/release-etc.php": plain("runtime/release-etc.php"),
    }
