import pytest

from builder.errors import TreeError
from builder.magento.versions import load_versions, parse_version

TABLE = load_versions()


def test_a_patch_release_belongs_to_its_line() -> None:
    for version in ("2.4.7", "2.4.7-p3", "v2.4.7-p3", "2.4.7-beta1"):
        assert TABLE.line(version).name == "2.4.7"


def test_all_lines_from_2_4_4_to_2_4_9_are_known() -> None:
    assert list(TABLE.lines) == ["2.4.4", "2.4.5", "2.4.6", "2.4.7", "2.4.8", "2.4.9"]


@pytest.mark.parametrize("version", ["2.3.7", "2.4", "2.4.10", "dev-main", "", "1.0.0"])
def test_an_unknown_version_is_refused_and_the_known_are_named(version: str) -> None:
    with pytest.raises(TreeError) as caught:
        TABLE.line(version)
    assert caught.value.where == "composer.lock"
    assert "2.4.9" in caught.value.hint


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("1.0.0", "2.4.6"),
        ("1.0.1", "2.4.6"),
        ("1.0.2", "2.4.7"),
        ("1.0.6", "2.4.7"),
        ("1.1.0", "2.4.8"),
        ("1.3.1", "2.4.8"),
        ("2.0.0", "2.4.8"),
        ("3.1.0", "2.4.9"),
    ],
)
def test_mage_os_counts_its_own_versions(version: str, line: str) -> None:
    assert TABLE.line_of("mage-os", version).name == line


def test_an_unknown_mage_os_is_refused() -> None:
    with pytest.raises(TreeError, match=r"Mage-OS 9\.0"):
        TABLE.line_of("mage-os", "9.0.0")


def test_php_versions_are_text_lowest_first() -> None:
    for line in TABLE.lines.values():
        assert list(line.php) == sorted(line.php, key=parse_version)
    assert TABLE.supported_php("community", "2.4.8-p1") == ("8.3", "8.4")
    assert TABLE.supported_php("mage-os", "1.0.5") == ("8.2", "8.3")


def test_only_php_that_debian_carries_has_a_suite() -> None:
    assert dict(TABLE.debian) == {"8.2": "bookworm", "8.4": "trixie"}


def test_a_line_knows_its_services() -> None:
    line = TABLE.line("2.4.7")
    assert (line.services["mariadb"].minimum, line.services["mariadb"].maximum) == ("10.6", "11.8")
    assert line.composer_minimum == "2.9.3"
    assert "redis" not in TABLE.line("2.4.8").services


def test_extensions_become_sorted_packages_each_once() -> None:
    wanted = ["ext-xsl", "dom", "pdo_mysql", "ext-GD", "redis", "bcmath"]
    assert TABLE.php_packages("8.2", wanted) == (
        "php8.2-bcmath",
        "php8.2-gd",
        "php8.2-mysql",
        "php8.2-redis",
        "php8.2-xml",
    )


def test_built_in_extensions_need_no_package() -> None:
    built_in = ["ctype", "sodium", "sockets", "json", "pcntl", "iconv", "Reflection", "zlib"]
    assert TABLE.php_packages("8.4", built_in) == ()


def test_opcache_is_a_package_until_php_compiles_it_in() -> None:
    assert TABLE.php_packages("8.4", ["opcache"]) == ("php8.4-opcache",)
    assert TABLE.php_packages("8.2", ["ext-zend-opcache"]) == ("php8.2-opcache",)
    assert TABLE.php_packages("8.5", ["opcache"]) == ()
    assert TABLE.php_packages("8.10", ["opcache"]) == ()


def test_all_unknown_extensions_are_named_at_once() -> None:
    with pytest.raises(TreeError) as caught:
        TABLE.php_packages("8.4", ["ioncube", "ext-gd", "imap"])
    assert "ext-imap, ext-ioncube" in caught.value.message
    assert "ext-gd" not in caught.value.message
    assert "php.packages" in caught.value.hint


def test_imap_is_a_package_before_php_8_4() -> None:
    assert TABLE.php_packages("8.2", ["imap"]) == ("php8.2-imap",)
