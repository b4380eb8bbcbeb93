import pytest

from builder.magento.paths import (
    is_excluded,
    load_paths,
    mount_points,
)


@pytest.mark.parametrize(
    "path",
    [
        ".git",
        ".git/config",
        "app/code/Acme/Kit/.git/HEAD",
        ".github/workflows/ci.yml",
        ".idea/x.iml",
        ".gitignore",
        "auth.json",
        "app/etc/env.php",
        "app/etc/env.php.bak",
        ".env",
        ".env.local",
        "dump.sql",
        "dump.sql.gz",
        "kiln.yaml",
        "environments/production.yaml",
        "node_modules/less/index.js",
        "app/design/frontend/Acme/shop/web/tailwind/node_modules/a/b.js",
        "dev/tests/integration/x.php",
        "phpserver/router.php",
        "Gruntfile.js",
        "Gruntfile.js.sample",
        "nginx.conf.sample",
        ".htaccess.sample",
        "pub/errors/local.xml.sample",
        "CHANGELOG.md",
        "docker-compose.yml",
        "compose.yaml",
        "generated/code/Magento/X.php",
        "var/cache",
        "var/cache/mage--0/x",
        "var/.maintenance.flag",
        "pub/static/frontend/Magento/luma/en_US/x.css",
        "pub/static/deployed_version.txt",
        "pub/media/catalog/product/a.jpg",
        "pub/media/customer/.htaccess",
        "app/code/Acme/Kit/Test/Unit/KitTest.php",
        "vendor/magento/module-store/Test/Mftf/Test/A.xml",
        "vendor/magento/framework/App/Test/Unit/AreaTest.php",
        "setup/src/Magento/Setup/Test/Unit/X.php",
        "vendor/acme/kit/tests/bootstrap.php",
        "vendor/acme/kit/phpunit.xml.dist",
        "vendor/acme/kit/README.md",
        "vendor/acme/kit/composer.lock",
        "vendor/magento/magento2-base/dev/tools/x",
        "vendor/magento/magento2-base/.htaccess.sample",
        "hooks/after-release",
        "hooks/before-boot.sample",
        "hooks/failed-release",
    ],
)
def test_never_goes_into_an_image(path: str) -> None:
    assert is_excluded(path)


@pytest.mark.parametrize(
    "path",
    [
        "composer.json",
        "composer.lock",
        "LICENSE.txt",
        "COPYING.txt",
        ".htaccess",
        ".user.ini",
        "app/etc/config.php",
        "app/etc/di.xml",
        "app/etc/environment.xml",
        "bin/magento",
        "generated",
        "generated/.htaccess",
        "var",
        "var/.htaccess",
        "pub",
        "pub/index.php",
        "pub/static",
        "pub/static.php",
        "pub/static/.htaccess",
        "pub/media",
        "pub/media/.htaccess",
        "pub/errors/local.xml",
        "pub/errors/default/503.phtml",
        "lib/web/jquery.js",
        "setup/src/Magento/Setup/Model/Installer.php",
        "app/code/Acme/Kit/Model/Test/Run.php",
        "app/code/Acme/Kit/Controller/Test/Index.php",
        "app/code/Acme/Kit/Testing/Unit.php",
        "app/code/Acme/Test/registration.php",
        "app/code/Acme/Kit/README.md",
        "vendor/acme/test/src/A.php",
        "vendor/acme/kit/LICENSE",
        "vendor/acme/kit/composer.json",
        "vendor/acme/kit/src/tests/A.php",
        "vendor/acme/kit/docs/README.md",
        "vendor/acme/kit/dev/a.php",
        "vendor/acme/kit/var/a.php",
        "vendor/acme/kit/view/frontend/web/node_modules/a.js",
        "vendor/monolog/monolog/src/Monolog/Test/TestCase.php",
        "vendor/magento/framework/TestFramework/Unit/BaseTestCase.php",
        "vendor/magento/magento2-base/composer.json",
        "vendor/bin/phpunit",
        "develop/a.txt",
        "x.git",
        "hooks/build.sh",
    ],
)
def test_goes_into_an_image(path: str) -> None:
    assert not is_excluded(path)


def test_a_directory_may_end_with_a_slash() -> None:
    assert is_excluded("dev/")
    assert is_excluded("vendor/acme/kit/Test/")
    assert is_excluded("var/cache/")
    for emptied in load_paths().emptied:
        assert not is_excluded(f"{emptied}/")


def test_production_code_in_a_folder_named_tests_can_be_kept() -> None:
    keep = ("vendor/acme/kit/tests",)
    assert not is_excluded("vendor/acme/kit/tests/A.php", keep)
    assert not is_excluded("vendor/acme/kit/tests", keep)
    assert is_excluded("vendor/acme/kit/test/A.php", keep)
    assert is_excluded("vendor/acme/other/tests/A.php", keep)


def test_a_walk_comes_to_what_is_kept_below_an_excluded_directory() -> None:
    keep = ("vendor/acme/kit/Test/Run",)
    assert not is_excluded("vendor/acme/kit/Test/", keep)
    assert not is_excluded("vendor/acme/kit/Test/Run/A.php", keep)
    assert is_excluded("vendor/acme/kit/Test/Unit/ATest.php", keep)


def test_what_a_running_shop_writes_lies_below_few_mount_points() -> None:
    assert mount_points() == ("pub/media", "pub/static/_cache", "var")
    assert set(load_paths().writable.values()) == {"shared", "private"}
