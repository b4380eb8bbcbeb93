"""Releases that change the database: beside the old release, or in a window that is accepted."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import docker
import pytest

from tests.conftest import Kiln, copy_store
from tests.e2e.systems import (
    RELEASED,
    Images,
    System,
    assert_unharmed,
    build_image,
    run_system,
    under_load,
)

MODULE = "app/code/Kiln/Sample"
NOTE = '<column xsi:type="varchar" name="text"'
ADDED = '<column xsi:type="varchar" name="author" nullable="true" length="64" comment="Author"/>'
PATCH = """<?php

namespace Kiln\\Sample\\Setup\\Patch\\Data;

use Magento\\Framework\\DB\\Connection;
use Magento\\Framework\\Setup\\Patch\\PatchInterface;

class SecondNote implements PatchInterface
{
    public function __construct(private Connection $connection)
    {
    }

    public static function getDependencies(): array
    {
        return [];
    }

    public function apply(): void
    {
        sleep(2);
        $this->connection->insert('kiln_sample_note', ['text' => 'Second', 'author' => 'patch']);
    }
}
"""


@dataclass(frozen=True)
class Releases:
    """Three images in a row.

    Attributes:
        plain: as the sample shop is.
        additive: has a column and a data patch more.
        destructive: lacks that column again.
    """

    plain: str
    additive: str
    destructive: str


@pytest.fixture(scope="module")
def releases(kiln: Kiln, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    tree = copy_store(
        tmp_path_factory.mktemp("migrations") / "shop",
        name=RELEASED,
        php={"extensions": ["redis"]},
    )
    schema, whitelist = (
        tree / MODULE / "etc/db_schema.xml",
        tree / MODULE / "etc/db_schema_whitelist.json",
    )
    without = schema.read_text()
    schema.write_text(without.replace(NOTE, f"{ADDED}\n        {NOTE}"))
    allowed = json.loads(whitelist.read_text())
    allowed["kiln_sample_note"]["column"]["author"] = True
    whitelist.write_text(json.dumps(allowed))
    (tree / MODULE / "Setup/Patch/Data/SecondNote.php").write_text(PATCH)
    additive = build_image(kiln, tree)
    schema.write_text(without)
    return Releases(images.first, additive, build_image(kiln, tree))


@pytest.fixture(scope="module")
def shop(
    kiln: Kiln,
    engine: docker.DockerClient,
    images: Images,
    releases: Releases,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[System]:
    folder: Path = tmp_path_factory.mktemp("migrated")
    backup = {"command": ["sh", "-c", f"date >> {folder}/backups"]}
    with run_system(
        kiln, engine, replace(images, first=releases.plain), folder, backup=backup
    ) as made:
        ended = made.deploy(releases.plain)
        assert ended.code == 0, ended.err
        yield made


def columns(system: System) -> str:
    return system.sql("SHOW COLUMNS FROM kiln_sample_note")


def test_a_column_more_comes_while_the_old_release_serves(shop: System, releases: Releases) -> None:
    planned = shop("plan", shop.name, releases.additive, "--output", "json").json()
    assert planned["migration"] == "additive"
    assert any("author" in reason for reason in planned["reasons"])
    ended, result = under_load(shop, lambda: shop.deploy(releases.additive))
    assert ended.code == 0, ended.err
    assert_unharmed(shop, result)
    assert "author" in columns(shop)
    assert shop.sql("SELECT COUNT(*) FROM kiln_sample_note WHERE text = 'Second'") == "1"
    assert (shop.folder / "backups").read_text().count("\n") == 2


def test_a_rollback_over_a_column_more_needs_no_force(shop: System, releases: Releases) -> None:
    ended = shop("rollback", shop.name)
    assert ended.code == 0, ended.err
    assert "author" in columns(shop)
    # Up to date already: the plan must not forget what the database has.
    planned = shop("plan", shop.name, releases.additive, "--output", "json").json()
    assert planned["migration"] == "none"
    assert shop.deploy(releases.additive).code == 0


def test_a_column_less_is_refused_until_a_window_is_accepted(
    shop: System, releases: Releases
) -> None:
    before = shop.current, shop.names()
    ended = shop.deploy(releases.destructive)
    assert ended.code == 23, ended.err
    assert "author" in ended.err
    assert "--accept-window" in ended.err
    assert (shop.current, shop.names()) == before
    assert "author" in columns(shop)


def test_in_a_window_visitors_wait_and_allowed_addresses_pass(
    shop: System, releases: Releases
) -> None:
    seen: list[tuple[int, str | None, str]] = []
    ended = threading.Event()

    def visit() -> None:
        while not ended.is_set():
            answer = shop.get()
            seen.append((answer.status_code, answer.headers.get("Retry-After"), answer.text))
            time.sleep(0.05)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        done = shop.deploy(releases.destructive, "--accept-window")
    finally:
        ended.set()
        visitor.join()
    assert done.code == 0, done.err
    assert "author" not in columns(shop)
    statuses = [status for status, _, _ in seen]
    assert set(statuses) == {200, 503}
    # One window, and nothing else.
    first, last = statuses.index(503), len(statuses) - 1 - statuses[::-1].index(503)
    assert set(statuses[first : last + 1]) == {503}
    assert all(
        retry == "120" and "back soon" in page for status, retry, page in seen if status == 503
    )
    assert shop.get().status_code == 200


def test_a_rollback_over_a_column_less_is_refused_unless_forced(
    shop: System, releases: Releases
) -> None:
    before = shop.current
    ended = shop("rollback", shop.name)
    assert ended.code == 23, ended.err
    assert "author" in ended.err
    assert shop.current == before
    ended = shop("rollback", shop.name, "--force")
    assert ended.code == 0, ended.err
    assert shop.get().status_code == 200
    # What counts is what the database has become, not which image serves since.
    ended = shop("rollback", shop.name, str(before - 1))
    assert ended.code == 23, ended.err
    assert "author" in ended.err


def test_a_release_that_is_stuck_after_its_migration_goes_back_or_forward(
    shop: System, releases: Releases
) -> None:
    shop.done("deploy", shop.name, releases.additive)
    before = shop.current
    hooks = shop.tree / "hooks"
    hooks.mkdir()
    (hooks / "after-migrate").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "after-migrate").chmod(0o755)
    stuck = shop.deploy(releases.destructive, "--accept-window")
    assert stuck.code == 24, stuck.err
    assert shop.get().status_code == 503
    # In the place of a backup that is restored.
    shop.sql("ALTER TABLE kiln_sample_note ADD author VARCHAR(64) NULL COMMENT 'Author'")
    shop.done("resume", shop.name, "--back")
    assert shop.current == before
    assert shop.get().status_code == 200
    assert "cron" in "".join(shop.names(release=str(before)))

    assert shop.deploy(releases.destructive, "--accept-window").code == 24
    again = shop("resume", shop.name)
    assert again.code == 24, again.err
    (hooks / "after-migrate").unlink()
    shop.done("resume", shop.name)
    assert shop.current > before
    assert "author" not in columns(shop)
    assert shop.get().status_code == 200


def test_a_filled_database_that_kiln_does_not_know_is_migrated_only_when_accepted(
    shop: System, releases: Releases
) -> None:
    # A shop from elsewhere: its database, and nothing else that Kiln would know.
    for container in shop.containers():
        container.remove(force=True)
    shutil.rmtree(shop.state_folder)

    # The database does not run while this is planned, and it is taken for empty.
    mistaken = shop.deploy(releases.additive)
    assert mistaken.code == 21, mistaken.err
    assert "the plan was made for an empty one" in mistaken.err

    refused = shop.deploy(releases.additive)
    assert refused.code == 23, refused.err
    assert "--accept-window" in refused.err
    assert "author" not in columns(shop)

    shop.done("deploy", shop.name, releases.additive, "--accept-window")
    assert "author" in columns(shop)
    assert shop.get().status_code == 200
