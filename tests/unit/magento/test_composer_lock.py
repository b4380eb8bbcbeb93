import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import TreeError
from builder.magento.composer_lock import (
    check_lock,
    compare_installed,
    content_hash,
    local_inputs,
    parse_installed,
    parse_lock,
    patch_inputs,
)


def to_bytes(value: object) -> bytes:
    return json.dumps(value, indent=4).encode()


def package(name: str, version: str = "1.0.0", **more: Any) -> dict[str, Any]:
    return {"name": name, "version": version, "type": "library", **more}


def lock_of(
    *packages: dict[str, Any], dev: tuple[dict[str, Any], ...] = (), **more: Any
) -> dict[str, Any]:
    return {"content-hash": "", "packages": list(packages), "packages-dev": list(dev), **more}


# The digests below are what Composer 2.7 itself makes of these files
# (Composer\Package\Locker::getContentHash).


def test_the_content_hash_is_that_of_composer() -> None:
    shop = {
        "name": "acme/shop",
        "require": {"php": "~8.2.0", "magento/product-community-edition": "2.4.7-p3"},
        "config": {"platform": {"php": "8.2.10"}, "sort-packages": True},
        "extra": {"magento-force": "override", "empty": {}, "é": "ü/\x7f😀"},
        "repositories": [{"type": "path", "url": "packages/*"}],
        "description": "not hashed",
    }
    assert content_hash(to_bytes(shop)) == "9d6742368e1cd275acff41f5a6dc1c3b"


def test_empty_objects_count_as_empty_lists() -> None:
    assert (
        content_hash(b'{"extra": {}}')
        == content_hash(b'{"extra": []}')
        == "a9d6e228289a8377238cb77026f098bc"
    )


def test_objects_with_keys_counting_from_zero_count_as_lists() -> None:
    assert content_hash(b'{"extra": {"0": 1, "1": 2}}') == content_hash(b'{"extra": [1, 2]}')
    assert content_hash(b'{"extra": {"1": 1}}') != content_hash(b'{"extra": [1]}')


@pytest.mark.parametrize(
    ("number", "digest"),
    [
        (b"1.0", "04182808f9404fb07ca121cdfe9e8d27"),
        (b"1e25", "a4c5f4d6af75281530bae0164c673851"),
        (b"0.00001", "1d8c3b7cce023495bc345f83ff82fe7b"),
        (b"12345678901234567890", "d695766da6fe03fc08399b16f6d0221d"),
        (b"-0.0", "411c73b5a893eb9935bef5b9e89466c2"),
        (b"123456789012345680.0", "d079b334f4d59e43591b85d0c9a6f65d"),
    ],
)
def test_numbers_are_written_as_php_writes_them(number: bytes, digest: str) -> None:
    assert content_hash(b'{"extra": [' + number + b"]}") == digest


def test_the_order_of_top_level_keys_does_not_matter_but_that_below_does() -> None:
    assert content_hash(b'{"name": "a", "version": "1"}') == content_hash(
        b'{"version": "1", "name": "a"}'
    )
    assert content_hash(b'{"require": {"a/a": "1", "b/b": "1"}}') != content_hash(
        b'{"require": {"b/b": "1", "a/a": "1"}}'
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b'{\n"a": 1,\n}', 3),
        (b'\xef\xbb\xbf{"a": 1}', 1),
        (b"[]", 1),
        (b'{\n"a": "\xff"}', 2),
    ],
)
def test_broken_json_is_refused_with_its_line(content: bytes, line: int) -> None:
    with pytest.raises(TreeError) as caught:
        content_hash(content)
    assert caught.value.where == f"composer.json:{line}"


@pytest.mark.parametrize(
    "content",
    [
        b'{"extra": NaN}',
        b'{"extra": ' + b"[" * 600 + b"]" * 600 + b"}",
        b'{"extra": ' + b"[" * 200_000,
        b'{"extra": "\\ud800"}',
        b'{"extra": 1e999}',
        b'{"extra": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_php_cannot_read_is_refused(content: bytes) -> None:
    with pytest.raises(TreeError, match=r"PHP|deeply|JSON"):
        content_hash(content)


def test_a_lock_is_read_with_its_packages() -> None:
    lock = parse_lock(
        to_bytes({"require": {"ext-redis": "*", "php": "~8.2.0"}}),
        to_bytes(
            lock_of(
                package(
                    "Acme/Kit",
                    "v1.2.0",
                    dist={
                        "type": "zip",
                        "url": "https://repo.acme.example/k.zip",
                        "reference": "a1",
                    },
                    require={"ext-GD": "*", "php": ">=8.1", "lib-libxml": "*"},
                    license="MIT",
                ),
                dev=(package("phpunit/phpunit", require={"ext-xdebug": "*", "php": ">=7"}),),
                platform={"php": "~8.2.0", "ext-redis": "*"},
            )
        ),
    )
    kit, phpunit = lock.packages
    assert (kit.name, kit.version, kit.reference, kit.licences) == (
        "acme/kit",
        "v1.2.0",
        "a1",
        ("MIT",),
    )
    assert not kit.dev
    assert phpunit.dev
    assert lock.extensions == ("gd", "redis")
    assert lock.php == (("composer.json", "~8.2.0"), ("Acme/Kit", ">=8.1"))


@pytest.mark.parametrize(
    ("names", "edition"),
    [
        (["magento/product-community-edition"], "community"),
        (["magento/product-community-edition", "magento/product-enterprise-edition"], "enterprise"),
        (["mage-os/product-community-edition"], "mage-os"),
    ],
)
def test_the_edition_is_found(names: list[str], edition: str) -> None:
    lock = parse_lock(b"{}", to_bytes(lock_of(*(package(name, "2.4.7-p3") for name in names))))
    assert lock.product().edition == edition
    assert lock.product().version == "2.4.7-p3"


def test_a_lock_without_magento_is_refused() -> None:
    lock = parse_lock(b"{}", to_bytes(lock_of(package("acme/kit"))))
    with pytest.raises(TreeError, match="no Magento"):
        lock.product()


def test_a_lock_of_another_shape_is_refused() -> None:
    shapes: tuple[object, ...] = (None, {}, [{"version": "1"}], [1])
    for packages in shapes:
        with pytest.raises(TreeError, match="`packages`"):
            parse_lock(b"{}", to_bytes({"packages": packages}))


def test_production_code_in_a_folder_named_tests_is_found() -> None:
    lock = parse_lock(
        b"{}",
        to_bytes(
            lock_of(
                package("acme/kit", autoload={"psr-4": {"A\\": "src/", "T\\": ["tests/", "."]}}),
                package("acme/map", autoload={"classmap": ["test/x.php"], "files": "odd"}),
            )
        ),
    )
    assert lock.autoload_paths() == ("vendor/acme/kit/tests", "vendor/acme/map/test/x.php")


def test_a_lock_in_step_has_no_findings() -> None:
    root = to_bytes({"require": {"acme/kit": "^1", "php": "~8.2", "ext-gd": "*"}})
    lock = {**lock_of(package("acme/kit")), "content-hash": content_hash(root)}
    assert check_lock(root, to_bytes(lock)) == ()


def test_a_lock_out_of_step_is_found_with_composers_words() -> None:
    root = to_bytes({"require": {"acme/kit": "^1"}})
    lock = {**lock_of(package("acme/kit")), "content-hash": "0" * 32}
    (finding,) = check_lock(root, to_bytes(lock))
    assert "not up to date with the latest changes in composer.json" in finding.message
    assert finding.where == "composer.lock:2"
    assert "composer update --lock" in finding.hint


def test_a_required_package_that_is_not_locked_is_found() -> None:
    root = to_bytes({"require": {"acme/kit": "^1", "acme/old": "^1", "acme/gone": "^1"}})
    lock = lock_of(package("acme/kit", replace={"acme/old": "*"}))
    lock["content-hash"] = content_hash(root)
    (finding,) = check_lock(root, to_bytes(lock))
    assert '"acme/gone" is not present in the lock file' in finding.message
    assert finding.where == "composer.json:5"


def test_a_path_package_outside_of_the_tree_is_found() -> None:
    lock = lock_of(package("acme/kit", dist={"type": "path", "url": "../kit"}))
    lock["content-hash"] = content_hash(b"{}")
    (finding,) = check_lock(b"{}", to_bytes(lock))
    assert "../kit, outside the tree" in finding.message


def test_local_inputs_are_path_repositories_and_patches() -> None:
    root = {
        "require": {"cweagans/composer-patches": "^1"},
        "repositories": {
            "a": {"type": "path", "url": "./packages/*"},
            "b": {"type": "path", "url": "modules/{acme,other}/*/"},
            "c": {"type": "path", "url": "../outside"},
            "d": {"type": "composer", "url": "https://repo.magento.com/"},
            "e": {"type": "artifact", "url": "artifacts"},
            "packagist.org": False,
        },
        "extra": {
            "patches": {
                "magento/framework": {
                    "Fix a": "patches/a.patch",
                    "Fix b": "https://example.com/b.patch",
                },
                "magento/module-x": [{"description": "Fix c", "url": "patches/c.patch"}],
            },
            "patches-file": "composer.patches.json",
        },
    }
    assert local_inputs(to_bytes(root)) == (
        "artifacts",
        "composer.patches.json",
        "modules/acme/*",
        "modules/other/*",
        "packages/*",
        "patches.json",
        "patches.lock.json",
        "patches/a.patch",
        "patches/c.patch",
    )


def test_local_inputs_of_a_plain_shop_are_none() -> None:
    assert local_inputs(b'{"repositories": [{"type": "composer", "url": "https://x/"}]}') == ()


def test_a_patches_file_names_further_patches() -> None:
    content = to_bytes({"patches": {"a/b": {"Fix": "patches/x.patch", "Web": "http://x/y.patch"}}})
    assert patch_inputs(content, "composer.patches.json") == ("patches/x.patch",)


INSTALLED = {
    "packages": [
        package("acme/kit", "1.0.0", **{"install-path": "../acme/kit"}),
        package("composer/semver", "3.0.0", **{"install-path": "./semver"}),
        package("phpunit/phpunit", "9.0.0", **{"install-path": "../phpunit/phpunit"}),
        package("acme/meta", "1.0.0", **{"install-path": None}),
    ],
    "dev": True,
    "dev-package-names": ["phpunit/phpunit"],
}


def test_install_paths_are_relative_to_the_root() -> None:
    installed = parse_installed(to_bytes(INSTALLED))
    assert dict(installed.paths) == {
        "acme/kit": "vendor/acme/kit",
        "composer/semver": "vendor/composer/semver",
        "phpunit/phpunit": "vendor/phpunit/phpunit",
    }
    assert installed.dev_paths() == ("vendor/phpunit/phpunit",)


def test_vendor_that_differs_from_the_lock_is_found() -> None:
    installed = parse_installed(to_bytes(INSTALLED))
    lock = parse_lock(
        b"{}",
        to_bytes(
            lock_of(
                package("acme/kit", "2.0.0"),
                package("acme/new"),
                package("acme/meta"),
                dev=(package("phpunit/phpunit", "10.0.0"),),
            )
        ),
    )
    first, second = compare_installed(lock, installed)
    assert first.message == "package acme/kit is locked as 2.0.0 but installed as 1.0.0"
    assert "acme/new is locked but not installed" in second.message


def test_installed_json_of_composer_1_is_refused() -> None:
    with pytest.raises(TreeError):
        parse_installed(b"[]")


TEXT = st.text("ab./*:@{}~\\é\x7f", max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "require",
        "repositories",
        "extra",
        "packages",
        "packages-dev",
        "platform",
        "config",
        "replace",
    ]
)


@settings(max_examples=100, deadline=None, database=None)
@given(st.dictionaries(KEYS, JSON), st.dictionaries(KEYS, JSON))
def test_whatever_the_files_hold_there_is_no_other_error(
    root: dict[str, Any], lock: dict[str, Any]
) -> None:
    for function in (parse_lock, check_lock):
        try:
            function(to_bytes(root), to_bytes(lock))
        except TreeError:
            continue
    for reader in (local_inputs, parse_installed, content_hash):
        try:
            reader(to_bytes(root))
        except TreeError:
            continue
