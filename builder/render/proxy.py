"""ProxyPlan -> the proxy's image, its configuration, and the maps that it looks into. Pure."""

import hashlib
import re
from collections.abc import Mapping

from builder.errors import ProxyError
from builder.plan.proxy import (
    PROXY_UID,
    SLOTS,
    WEB_PORT,
    Mode,
    ProxyPlan,
    Slot,
    assets_address,
    assets_alias,
    assets_backend,
    slot_alias,
    slot_backend,
    web_address,
)
from builder.render.images import RenderedImage
from builder.render.templates import template_environment, template_folder

CONFIG = "haproxy.cfg"
PAGE = "maintenance.html"
LIVE = "live.map"
VERSIONS = "versions.map"
MODE = "mode.map"
# HAProxy answers from one buffer, which the headers share.
_LONGEST_PAGE = 24 * 1024


def render_proxy_image(base: str, mirror: str | None) -> RenderedImage:
    """The image of the proxy, which is also the keeper's.

    Args:
        base: a Debian image by digest.
        mirror: a Debian mirror, or None for the base image's own.
    """
    template = template_environment().get_template("production/proxy.Dockerfile.j2")
    text = template.render(plan={"base": base, "mirror": mirror}, uid=PROXY_UID)
    state = (template_folder() / "production/kiln-state").read_bytes()
    return RenderedImage("kiln-proxy", "proxy", text, {"usr/local/bin/kiln-state": state})


def render_proxy_config(plan: ProxyPlan) -> str:
    """haproxy.cfg. Its `description` names all that a worker reads at its start, the page too."""
    template = template_environment().get_template("haproxy.cfg.j2")

    def rendered(digest: str) -> str:
        return template.render(
            plan=plan,
            digest=digest,
            secure=any(one.certificate for one in plan.listeners),
            slots={
                slot: [web_address(plan.subnet, slot, i + 1) for i in range(plan.replicas)]
                for slot in SLOTS
            },
            assets=[assets_address(plan.subnet, k + 1) for k in range(plan.assets)],
            port=WEB_PORT,
            slot_alias=slot_alias,
            assets_alias=assets_alias,
            slot_backend=slot_backend,
            assets_backend=assets_backend,
        )

    whole = rendered("").encode() + b"\0" + plan.page.encode()
    return rendered(hashlib.sha256(whole).hexdigest()[:16])


def render_proxy_files(plan: ProxyPlan) -> dict[str, bytes]:
    """What a worker reads at its start, by name below /proxy, but for the maps.

    Raises:
        ProxyError: the page is too long.
    """
    page = plan.page.encode()
    if len(page) > _LONGEST_PAGE:
        raise ProxyError(
            f"the maintenance page has {len(page)} bytes, and may have {_LONGEST_PAGE}",
            hint="link to its pictures and styles at an address outside of the shop",
        )
    return {PAGE: page, CONFIG: render_proxy_config(plan).encode()}


def render_map(entries: Mapping[str, str]) -> str:
    """A map's text: a key and its value on each line."""
    return "".join(f"{key} {value}\n" for key, value in sorted(entries.items()))


def live_entries(slot: Slot | None) -> dict[str, str]:
    """live.map; None serves nothing."""
    return {"live": slot_backend(slot) if slot else "none"}


def version_entries(versions: Mapping[str, str]) -> dict[str, str]:
    """versions.map: by content version, in decimal digits, the backend that has it."""
    return {f"version{version}": backend for version, backend in versions.items()}


def mode_entries(mode: Mode) -> dict[str, str]:
    """mode.map."""
    return {"mode": mode}


def first_maps() -> dict[str, bytes]:
    """The maps before the first release, by name: without them HAProxy does not start."""
    return {
        LIVE: render_map(live_entries(None)).encode(),
        VERSIONS: b"",
        MODE: render_map(mode_entries("open")).encode(),
    }


def config_digest(config: str) -> str:
    """What `description` of a rendered configuration names."""
    found = re.search(r"^ +description ([0-9a-f]+)$", config, re.MULTILINE)
    return found[1] if found else ""
