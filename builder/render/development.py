"""DevelopmentPlan -> Dockerfiles, the files that they copy in, and the compose file. Pure."""

from collections.abc import Mapping

import jinja2

from builder.magento.delivery import Delivery
from builder.plan.development import DATABASE, QUEUE_USER, SECRETS, DevelopmentPlan
from builder.render.dockerfile import TOOL_PACKAGES
from builder.render.images import RenderedImage, service_contents
from builder.render.templates import template_environment, template_folder

_FOLDER = "development"
# dockerfiles/development/php.ini and put-secrets.php name it as well.
_SETTINGS_MOUNT = "/etc/kiln/settings"


def render_images(plan: DevelopmentPlan) -> tuple[RenderedImage, ...]:
    """The images that Kiln makes for a plan."""
    environment = template_environment()
    values = {"plan": plan, "tool_packages": TOOL_PACKAGES}
    return tuple(
        RenderedImage(
            f"kiln-dev-{service}",
            service,
            environment.get_template(f"{_FOLDER}/{service}.Dockerfile.j2").render(values),
            _contents(environment, values, service, plan.php_version),
        )
        for service in plan.built
    )


def render_compose(plan: DevelopmentPlan) -> str:
    """The compose file of a stack."""
    built = {image.service: image.name for image in render_images(plan)}
    return (
        template_environment()
        .get_template("development.yaml.j2")
        .render(
            plan=plan,
            images={**built, **plan.images},
            secrets=SECRETS,
            database=DATABASE,
            queue_user=QUEUE_USER,
            settings_mount=_SETTINGS_MOUNT,
        )
    )


def render_settings(delivery: Delivery | None) -> str:
    """What puts the settings of environments/development.yaml into `$_ENV`; None for no file.

    CONFIG__ variables of the container would show secrets to whoever may inspect it.
    """
    template = template_environment().get_template(f"{_FOLDER}/settings.php.j2")
    return template.render(config=delivery.config if delivery else {}, folder=_SETTINGS_MOUNT)


def _contents(
    environment: jinja2.Environment, values: Mapping[str, object], service: str, php_version: str
) -> dict[str, bytes]:
    def rendered(name: str) -> bytes:
        return environment.get_template(f"{_FOLDER}/{name}").render(values).encode()

    def plain(name: str) -> bytes:
        return (template_folder() / name).read_bytes()

    if service == "mail":
        return {"usr/local/bin/kiln-mail": plain(f"{_FOLDER}/kiln-mail")}
    if service == "web":
        ini = plain(f"{_FOLDER}/php.ini")
        scripts = ("kiln-magento", "kiln-state", "kiln-switch-off")
        return {
            # The stage `tools` is that of the image and copies this in.
            "build/composer/config.json": plain("build/composer/config.json"),
            "development/etc/kiln/nginx.conf": plain(f"{_FOLDER}/nginx.conf"),
            "development/etc/kiln/php-fpm.conf": rendered("php-fpm.conf.j2"),
            "development/etc/kiln/xdebug/xdebug.ini": plain(f"{_FOLDER}/xdebug.ini"),
            f"development/etc/php/{php_version}/cli/conf.d/99-kiln.ini": ini,
            f"development/etc/php/{php_version}/fpm/conf.d/99-kiln.ini": ini,
            "development/usr/local/bin/kiln-development": rendered("kiln-development.j2"),
            "development/usr/local/bin/kiln-health": plain("runtime/kiln-health"),
            "development/usr/local/lib/kiln/put-secrets.php": plain(f"{_FOLDER}/put-secrets.php"),
            **{
                f"development/usr/local/bin/{script}": plain(f"{_FOLDER}/{script}")
                for script in scripts
            },
        }
    return service_contents(service, _FOLDER)
