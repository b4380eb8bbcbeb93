"""Builds that fail half-way, are stopped, meet each other or run out of room."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Kiln, change_project
from tests.integration.shop_modules import add_module
from tests.integration.traces import clients_of, process_of, registry_tags, snapshot

WHOLE = {"lock", "hashes.json", "inputs", "image", "ran.json.zst"}


def left_in(cache: Path) -> set[str]:
    """What is in the cache folder of the one tree that was built."""
    (folder,) = cache.iterdir()
    return {path.name for path in folder.iterdir()}


@contextlib.contextmanager
def build_at_a_hook(kiln: Kiln, tree: Path) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """A build that has come to a hook which takes long; yields it and the hook's program."""
    program = ["sleep", f"300.{os.getpid()}"]
    change_project(tree, hooks={"before_compile": [" ".join(program) + " || true"]})
    build = kiln.start("build", "--push", cwd=tree)
    try:
        while process_of(*program) is None:
            assert build.poll() is None, build.communicate()
            time.sleep(0.1)
        yield build, program
    finally:
        build.kill()
        build.communicate()


def wait_until_gone(program: list[str], cache: Path) -> None:
    """Wait until a hook's program and all clients of a cache have ended."""
    until = time.monotonic() + 60
    while process_of(*program) is not None or clients_of(cache):
        assert time.monotonic() < until, f"still running: {program}, {clients_of(cache)}"
        time.sleep(0.1)


# -- stopped ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_build_stops_all_it_has_started(
    own: Kiln, tree: Path, number: signal.Signals
) -> None:
    with build_at_a_hook(own, tree) as (build, program):
        before = snapshot(tree)
        build.send_signal(number)
        out, err = build.communicate(timeout=60)
        assert build.returncode == 130
        assert (out, "Traceback" in err) == ("", False)
        assert err.splitlines()[-1].startswith("interrupted")
        assert clients_of(own.cache) == []
        wait_until_gone(program, own.cache)
    assert left_in(own.cache) <= WHOLE
    assert list(own.cache.glob("*/image/ingest")) == []
    assert snapshot(tree) == before


def test_after_an_interrupted_and_a_killed_build_the_next_one_succeeds(
    own: Kiln, tree: Path
) -> None:
    with build_at_a_hook(own, tree) as (build, program):
        build.send_signal(signal.SIGINT)
        build.communicate(timeout=60)
    wait_until_gone(program, own.cache)
    with build_at_a_hook(own, tree) as (build, program):
        build.kill()
        build.communicate(timeout=60)
        assert build.returncode == -signal.SIGKILL
        # Nobody could clear up, but what it had started has ended with it.
        wait_until_gone(program, own.cache)
    (folder,) = own.cache.iterdir()
    (folder / "image" / "ingest").mkdir(parents=True, exist_ok=True)
    (folder / "image" / "ingest" / "half a layer").write_text("")
    change_project(tree, hooks={})
    ended = own("build", "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    assert left_in(own.cache) == WHOLE
    blobs = {f"sha256:{path.name}" for path in folder.glob("image/blobs/sha256/*")}
    assert {layer["digest"] for layer in ended.json()["layers"]} < blobs
    assert not (folder / "image" / "ingest").exists()


def test_a_second_build_of_a_tree_says_who_builds_it_and_the_first_succeeds(
    own: Kiln, tree: Path
) -> None:
    with build_at_a_hook(own, tree) as (first, program):
        second = own("build", "--push", cwd=tree)
        assert second.code == 15, second.err
        assert f"being built already by process {first.pid}, since " in second.err
        assert "\n  do: wait for it to end, or stop it" in second.err
        assert "Traceback" not in second.err
        assert first.poll() is None
        os.kill(process_of(*program) or 0, signal.SIGKILL)  # the hook goes on
        out, err = first.communicate(timeout=300)
        assert first.returncode == 0, err
        assert "@sha256:" in out


# -- no room ----------------------------------------------------------------------------------


def build_in(tree: Path, cache: Path, size: str) -> tuple[int, str, str, set[str]]:
    """Build with a cache of so many bytes, in a mount namespace that goes with it.

    Returns:
        Exit code, standard output and error, and the files left in the cache.
    """
    cache.mkdir()
    script = (
        'mount -t tmpfs -o size="$1" tmpfs "$2" || exit 99; cd "$3"; "$4" -m builder build; '
        'code=$?; find "$2" -type f -printf "left: %P\\n"; exit "$code"'
    )
    argv = ["unshare", "--mount", "--map-root-user", "sh", "-c", script, "sh"]
    done = subprocess.run(
        [*argv, size, str(cache), str(tree), sys.executable],
        env=Kiln(cache).environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    left = set(re.findall(r"^left: [^/]+/(.*)\n", done.stdout, re.MULTILINE))
    return done.returncode, done.stdout, done.stderr, left


@pytest.mark.parametrize(
    ("size", "when"),
    [("4k", "the lock"), ("200k", "the tree's files"), ("8m", "the image")],
)
def test_a_disk_that_is_full_is_said_and_not_left_full(
    tree: Path, tmp_path: Path, size: str, when: str
) -> None:
    before = snapshot(tree)
    code, _, err, left = build_in(tree, tmp_path / "cache", size)
    assert code == 17, f"at {when}: {err}"
    assert str(tmp_path / "cache") in err
    assert "there is no room left" in err or "the disk of Kiln's cache is full" in err
    assert "\n  do: free room, or set KILN_CACHE to a folder on a larger disk" in err
    assert "Traceback" not in err
    assert left <= {"lock", "hashes.json"}
    assert clients_of(tmp_path / "cache") == []
    assert snapshot(tree) == before


# -- failing steps ----------------------------------------------------------------------------


def fail(kiln: Kiln, tree: Path, *says: str) -> str:
    """Build a tree one of whose steps fails, and see that it ends as it should."""
    before, tags = snapshot(tree), registry_tags(tree)
    ended = kiln("build", "--push", cwd=tree)
    assert ended.code == 14, ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err
    for said in says:
        assert said in ended.err
    assert left_in(kiln.cache) <= WHOLE
    assert clients_of(kiln.cache) == []
    assert (snapshot(tree), registry_tags(tree)) == (before, tags)
    return ended.err


OPENS_A_CONNECTION = {
    "at once": {
        "Model/Rates.php": "<?php\nnamespace Acme\\Extra\\Model;\n\n"
        "new \\PDO('mysql:host=db.internal;dbname=shop', 'shop', 'x');\n\nclass Rates\n{\n}\n",
    },
    "in a constructor": {
        "Plugin/Rates.php": "<?php\nnamespace Acme\\Extra\\Plugin;\n\n"
        "use Magento\\Framework\\DB\\Connection;\n\n"
        "class Rates\n{\n"
        "    public function __construct(Connection $connection)\n    {\n"
        "        $connection->fetchOne('SELECT 1');\n    }\n\n"
        "    public function afterCollect($subject, array $files): array\n    {\n"
        "        return $files;\n    }\n}\n",
        "etc/di.xml": '<?xml version="1.0"?>\n<config>\n'
        '<type name="Magento\\Deploy\\Service\\FileCollector">'
        '<plugin name="acme_rates" type="Acme\\Extra\\Plugin\\Rates"/></type>\n</config>\n',
    },
}


@pytest.mark.parametrize(
    ("how", "stage", "says"),
    [
        # Compilation or the stage beside it, whichever is first.
        ("at once", "compiled|view", "SQLSTATE[HY000] [2002]"),
        ("in a constructor", "view", 'Connection "default" is not defined'),
    ],
)
def test_a_module_that_opens_a_database_connection_is_told_apart(
    own: Kiln, tree: Path, how: str, stage: str, says: str
) -> None:
    add_module(tree, "Acme_Extra", OPENS_A_CONNECTION[how])
    err = fail(
        own,
        tree,
        "likely cause: a module opens a database connection during the build",
        says,
        "\n  do: find the class in the trace",
    )
    assert re.search(rf"^error: stage (?:{stage}):", err, re.MULTILINE), err


def test_a_hook_that_fails_is_named_with_what_it_printed(own: Kiln, tree: Path) -> None:
    change_project(tree, hooks={"before_compile": ["echo 'größer als gedacht'; exit 3"]})
    fail(own, tree, "stage code: the step failed: ", "größer als gedacht", "exit code: 3")


def test_a_hook_reaches_no_network(own: Kiln, tree: Path) -> None:
    change_project(tree, hooks={"before_compile": ["test -d /sys/class/net/eth0 || exit 4"]})
    fail(own, tree, "stage code: the step failed: ", "exit code: 4")


@pytest.mark.parametrize(
    ("old", "new", "cause", "hint"),
    [
        ("strict_types=2", "strict_types=0", "a patch does not fit the tree", "renew the patch"),
        ("strict_types=0", "strict_types=1", "the tree has what a patch changes", "take the patch"),
    ],
)
def test_a_patch_that_does_not_fit_is_named(
    own: Kiln, tree: Path, old: str, new: str, cause: str, hint: str
) -> None:
    (tree / "patches").mkdir()
    (tree / "patches/zu alt.patch").write_text(
        "--- a/app/code/Kiln/Sample/Model/Product.php\n"
        "+++ b/app/code/Kiln/Sample/Model/Product.php\n"
        f"@@ -1,3 +1,3 @@\n <?php\n \n-declare({old});\n+declare({new});\n"
    )
    change_project(tree, hooks={"patches": ["patches/*.patch"]})
    fail(
        own,
        tree,
        "stage code: the step failed: ",
        "patches/zu alt.patch",
        f"likely cause: {cause}",
        f"\n  do: {hint}",
    )


def test_a_stylesheet_that_does_not_compile_is_named(own: Kiln, tree: Path) -> None:
    less = tree / "app/design/frontend/Kiln/sample/web/css/source/_theme.less"
    less.write_text(less.read_text() + "\nbody { color: @kein-wert; }\n")
    fail(own, tree, "stage static-", "likely cause: a stylesheet does not compile", "kein-wert")
