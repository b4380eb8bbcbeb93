"""Kiln's classification of settings against Magento's own, asked in the built image.

With MAGENTO_SOURCE it is the real Magento's TypePool that answers.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.conftest import Kiln

# The private lists of TypePool as Magento's object manager has filled them; without a database.
ASK_TYPE_POOL = r"""<?php
require '/app/app/bootstrap.php';
if (method_exists(\Magento\Framework\App\Bootstrap::class, 'create')) {
    $manager = \Magento\Framework\App\Bootstrap::create(BP, $_SERVER)->getObjectManager();
} else {
    $manager = (new \Magento\Framework\ObjectManager\Factory())->create('global', true);
}
$class = \Magento\Config\Model\Config\TypePool::class;
$pool = $manager->get($class);
$lists = ['sensitive' => [], 'environment' => []];
foreach ($lists as $type => $none) {
    $paths = array_keys((new ReflectionProperty($class, $type))->getValue($pool));
    if (property_exists($class, 'excludeList')) {
        $excluded = (new ReflectionProperty($class, 'excludeList'))->getValue($pool);
        $paths = array_merge($paths, $excluded ? $excluded->get() : []);
    }
    $present = fn ($path) => $pool->isPresent((string) $path, $type);
    $lists[$type] = array_values(array_unique(array_filter($paths, $present)));
}
echo json_encode($lists);
"""

DI = (
    '<?xml version="1.0"?>\n<config xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:noNamespaceSchemaLocation="urn:magento:framework:ObjectManager/etc/config.xsd">\n'
    '    <type name="Magento\\Config\\Model\\Config\\TypePool"><arguments>{}</arguments></type>\n'
    "</config>\n"
)


def argument(name: str, **items: str | None) -> str:
    rows = "".join(
        f"<item name='acme/kit/{path}' xsi:type=\"string\""
        + ("/>" if value is None else f">{value}</item>")
        for path, value in items.items()
    )
    return f'<argument name="{name}" xsi:type="array">{rows}</argument>'


# Each path is listed in a way of its own.
EXTENSIONS = {
    "Acme_Kit": {
        "etc/di.xml": DI.format(
            "<!-- 'acme/kit/commented' -->"
            + argument("sensitive", key="1", yes=" TRUE ", two="2", off="0", kept="1", taken="1")
            + argument("environment", url="on", both="1")
        ),
        "etc/adminhtml/di.xml": DI.format(argument("sensitive", of_an_area="1")),
    },
    "Acme_Later": {
        "etc/di.xml": DI.format(
            argument("sensitive", taken="0", kept=None, both="1")
            + argument("environment", late="yes")
        )
    },
    "Acme_Off": {"etc/di.xml": DI.format(argument("sensitive", of_a_module_that_is_off="1"))},
    "Acme_Unlisted": {"etc/di.xml": DI.format(argument("sensitive", of_a_module_not_listed="1"))},
}
EXPECTED = {
    "sensitive": {"acme/kit/key", "acme/kit/yes", "acme/kit/kept", "acme/kit/both"},
    "environment": {"acme/kit/url", "acme/kit/both", "acme/kit/late"},
}


def files_that_say_it(source: Path) -> Iterator[Path]:
    """The few files of a tree that settings are read from."""
    for folder, folders, files in os.walk(source):
        here = Path(folder)
        folders[:] = [one for one in folders if one not in (".git", "generated", "var", "pub")]
        for name in files:
            in_etc = name.endswith((".xml", ".php")) and "etc" in here.parts
            if in_etc or name == "registration.php" or (here == source and "." in name):
                yield (here / name).relative_to(source)


@pytest.fixture(scope="module")
def extended(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's settings with four modules more in app/code: two on, one off, one not listed."""
    tree = tmp_path_factory.mktemp("extended") / "shop"
    for path in files_that_say_it(shop):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shop / path, tree / path)
    for name, files in EXTENSIONS.items():
        folder = tree / "app/code" / name.replace("_", "/")
        register = (
            "<?php\nuse Magento\\Framework\\Component\\ComponentRegistrar;\n"
            f"ComponentRegistrar::register(ComponentRegistrar::MODULE, '{name}', __DIR__);\n"
        )
        module = f'<?xml version="1.0"?>\n<config><module name="{name}"/></config>\n'
        for at, text in {"registration.php": register, "etc/module.xml": module, **files}.items():
            (folder / at).parent.mkdir(parents=True, exist_ok=True)
            (folder / at).write_text(text)
    config = tree / "app/etc/config.php"
    enabled = "    'modules' => [\n"
    assert enabled in config.read_text()
    listed = "'Acme_Kit' => 1, 'Acme_Later' => 1, 'Acme_Off' => 0,\n"
    config.write_text(config.read_text().replace(enabled, f"{enabled}{listed}"))
    return tree


def ask_php(
    engine: docker.DockerClient, image: str, script: Path, **options: Any
) -> dict[str, set[str]]:
    script.write_text(ASK_TYPE_POOL)
    script.chmod(0o644)
    volumes = {str(script): {"bind": "/ask.php", "mode": "ro"}, **options.pop("volumes", {})}
    out = engine.containers.run(
        image,
        ["/ask.php"],
        entrypoint="php",
        # Without an env.php Magento writes one, and app/etc is root's in the image.
        user="root",
        network_mode="none",
        remove=True,
        volumes=volumes,
        **options,
    )
    answer: dict[str, list[str]] = json.loads(out)
    return {kind: set(paths) for kind, paths in answer.items()}


def ask_kiln(kiln: Kiln, tree: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for kind in ("sensitive", "system-specific"):
        ended = kiln("config", "list", "--kind", kind, "--output", "json", cwd=tree)
        assert ended.code == 0, ended.err
        found[kind] = {row["path"] for row in ended.json()}
        assert all(row["declared"] for row in ended.json())
    return found


def test_the_shops_settings_are_classified_as_magento_does(
    engine: docker.DockerClient, record: dict[str, Any], shop: Path, kiln: Kiln, tmp_path: Path
) -> None:
    engine.images.pull(record["image"])
    magento = ask_php(engine, record["image"], tmp_path / "ask.php")
    found = ask_kiln(kiln, shop)
    assert found["sensitive"] == magento["sensitive"]
    assert found["system-specific"] == magento["environment"] - magento["sensitive"]
    assert "web/unsecure/base_url" in found["system-specific"]
    assert len(magento["sensitive"]) > (100 if os.environ.get("MAGENTO_SOURCE") else 2)


def test_an_extension_in_app_code_is_classified_as_magento_does(
    engine: docker.DockerClient, record: dict[str, Any], extended: Path, kiln: Kiln, tmp_path: Path
) -> None:
    engine.images.pull(record["image"])
    # What the image has compiled does not know the extension: Magento reads the XML here.
    magento = ask_php(
        engine,
        record["image"],
        tmp_path / "ask.php",
        environment={"MAGE_MODE": "developer"},
        tmpfs={"/app/generated": "mode=1777"},
        volumes={
            str(extended / "app/code/Acme"): {"bind": "/app/app/code/Acme", "mode": "ro"},
            str(extended / "app/etc/config.php"): {"bind": "/app/app/etc/config.php", "mode": "ro"},
        },
    )
    found = ask_kiln(kiln, extended)
    assert found["sensitive"] == magento["sensitive"]
    assert found["system-specific"] == magento["environment"] - magento["sensitive"]
    for kind, paths in EXPECTED.items():
        assert {path for path in magento[kind] if path.startswith("acme/")} == paths


def test_the_place_of_a_declaration_is_named(kiln: Kiln, extended: Path) -> None:
    ended = kiln("config", "list", "--kind", "sensitive", "--output", "json", cwd=extended)
    declared = {row["path"]: row["declared"] for row in ended.json()}
    assert declared["acme/kit/key"] == "app/code/Acme/Kit/etc/di.xml:3"
    assert declared["acme/kit/both"] == "app/code/Acme/Later/etc/di.xml:3"
