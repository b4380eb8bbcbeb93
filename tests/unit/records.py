"""Releases and what is recorded of them, with every value that a test does not care about."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

from builder.deploy.state import Event, HostState, JournalEntry, Recorded
from builder.plan.release import DeployPlan, Release, Step
from builder.plan.stack import Stack
from builder.project.deployment import Deploy

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_image(digit: str) -> str:
    return "localhost:5000/sample@sha256:" + digit * 64


def make_release(number: int = 1, **changes: Any) -> Release:
    values: dict[str, Any] = {
        "number": number,
        "image": make_image(str(number % 10)),
        "content_version": f"{number}000",
        "slot": "blue" if number % 2 else "green",
        "replicas": 2,
        "consumers": (),
        "cron": True,
        "config_hash": "c" * 64,
        "variables": {"MAGE_MODE": "production"},
        "secrets": {"db-password": "0123456789ab"},
        "schema_image": make_image(str(number % 10)),
        "created": NOON + timedelta(hours=number),
        "by": "mia@desk",
    }
    return Release(**{**values, **changes})


def make_deploy_plan(
    release: Release, previous: Release | None = None, steps: tuple[Step, ...] = (), **changes: Any
) -> DeployPlan:
    values: dict[str, Any] = {
        "stack": "sample-production",
        "release": release,
        "previous": previous,
        "assets": {},
        "migration": "none",
        "reasons": (),
        "steps": steps,
    }
    return DeployPlan(**{**values, **changes})


def record(
    release: Release, *events: tuple[Event, Step | None, str], previous: Release | None = None
) -> Recorded:
    """A release whose journal has an entry a minute."""
    journal = tuple(
        JournalEntry(
            at=release.created + timedelta(minutes=minute), event=event, step=step, detail=detail
        )
        for minute, (event, step, detail) in enumerate(events, 1)
    )
    return Recorded(release, make_deploy_plan(release, previous), journal)


def make_state(current: Release | None, *recorded: Recorded) -> HostState:
    return HostState(current, {one.release.number: one for one in recorded}, {})


def make_stack(**changes: Any) -> Stack:
    values: dict[str, Any] = {
        "name": "sample-production",
        "shop": "sample",
        "environment": "production",
        "deploy": Deploy(),
        "subnet": IPv4Network("10.231.7.0/24"),
        "services": {"database": "auto"},
        "database": ("shop", "shop", "db-password"),
        "queue": None,
        "certificate": None,
        "varnish": (),
        "base_url": "",
        "allowed": (),
        "trusted": (),
        "page": "",
    }
    return Stack(**{**values, **changes})
