import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.magento.components import Component, read_components

USE = "use Magento\\Framework\\Component\\ComponentRegistrar;\n"
PATH = "vendor/acme/kit/src/registration.php"


def read(source: str, path: str = PATH) -> list[Component]:
    components = read_components([(path, f"<?php\n{source}".encode())])
    assert components.findings == ()
    return list(components)


@pytest.mark.parametrize(
    "source",
    [
        USE + "ComponentRegistrar::register(ComponentRegistrar::MODULE, 'Acme_Kit', __DIR__);",
        USE + 'ComponentRegistrar::register("module", "Acme_Kit", __DIR__,);',
        USE + "ComponentRegistrar::register(\n  'module',\n  'Acme_Kit',\n  dirname(__FILE__)\n);",
        "use \\Magento\\Framework\\Component\\ComponentRegistrar as R;\n"
        "R::register(R::MODULE, 'Acme_Kit', __DIR__);",
        "use Magento\\Framework\\Component\\{ComponentRegistrar, Other};\n"
        "ComponentRegistrar::register(ComponentRegistrar::MODULE, 'Acme_Kit', __DIR__);",
        "\\Magento\\Framework\\Component\\ComponentRegistrar::register(\n"
        "    \\Magento\\Framework\\Component\\ComponentRegistrar::MODULE, // it's a module\n"
        "    'Acme_Kit', /* here */ __DIR__\n);",
        USE + "ComponentRegistrar::register(ComponentRegistrar::MODULE, 'Acme_Kit', "
        "isset($file) ? dirname($file) : __DIR__);",
        "if (true) {\n" + USE + "componentregistrar::REGISTER('module', 'Acme_Kit', __DIR__);\n}",
    ],
)
def test_a_module_is_found_however_it_is_written(source: str) -> None:
    assert read(source) == [Component("module", "Acme_Kit", "vendor/acme/kit/src")]


@pytest.mark.parametrize(
    ("expression", "directory"),
    [
        ("__DIR__ . '/theme'", "vendor/acme/kit/src/theme"),
        ('__DIR__ . DIRECTORY_SEPARATOR . "theme"', "vendor/acme/kit/src/theme"),
        ("dirname(__DIR__)", "vendor/acme/kit"),
        ("dirname(__DIR__, 2) . '/other'", "vendor/acme/other"),
        ("realpath(__DIR__ . '/../theme')", "vendor/acme/kit/theme"),
        ("__DIR__ . '\\\\theme'", "vendor/acme/kit/src/theme"),
    ],
)
def test_a_component_need_not_lie_beside_its_registration(expression: str, directory: str) -> None:
    source = f"{USE}ComponentRegistrar::register('theme', 'frontend/Acme/shop', {expression});"
    assert read(source) == [Component("theme", "frontend/Acme/shop", directory)]


def test_a_component_may_be_the_root_itself() -> None:
    source = USE + "ComponentRegistrar::register('library', 'acme/kit', __DIR__);"
    assert read(source, "registration.php") == [Component("library", "acme/kit", "")]


def test_one_file_may_register_several() -> None:
    source = USE + "".join(
        f"ComponentRegistrar::register('language', 'acme_{code}', __DIR__ . '/{code}');\n"
        for code in ("de_de", "fr_fr")
    )
    assert [component.name for component in read(source)] == ["acme_de_de", "acme_fr_fr"]


@pytest.mark.parametrize(
    "source",
    [
        USE + "// ComponentRegistrar::register('module', 'Acme_Kit', __DIR__);",
        USE + "/* ComponentRegistrar::register('module', 'Acme_Kit', __DIR__); */",
        USE + "# ComponentRegistrar::register('module', 'Acme_Kit', __DIR__);",
        "Other::register('module', 'Acme_Kit', __DIR__);",
        "ComponentRegistrar::register('module', 'Acme_Kit', __DIR__);",
        "",
    ],
)
def test_what_registers_nothing_is_not_found(source: str) -> None:
    assert read(source) == []


@pytest.mark.parametrize(
    "arguments",
    [
        "$kind, 'Acme_Kit', __DIR__",
        "'module', $name, __DIR__",
        "'module', Config::NAME, __DIR__",
        "'module', 'Acme_Kit', $directory",
        "'module', 'Acme_Kit', '/srv/kit'",
        "'module', 'Acme_Kit', __DIR__ . '/../../../../..'",
        "'gadget', 'Acme_Kit', __DIR__",
    ],
)
def test_what_takes_php_to_know_is_a_finding_with_its_line(arguments: str) -> None:
    source = f"<?php\n/*\n*/\n{USE}ComponentRegistrar::register({arguments});"
    components = read_components([(PATH, source.encode())])
    assert list(components) == []
    assert [finding.where for finding in components.findings] == [f"{PATH}:5"]


def test_a_name_given_twice_is_a_finding_as_it_ends_php() -> None:
    source = f"<?php\n{USE}ComponentRegistrar::register('module', 'Acme_Kit', __DIR__);".encode()
    components = read_components(
        [
            ("vendor/acme/kit/registration.php", source),
            ("app/code/Acme/Kit/registration.php", source),
        ]
    )
    assert components.of("module")["Acme_Kit"].directory == "vendor/acme/kit"
    (finding,) = components.findings
    assert finding.where == "app/code/Acme/Kit/registration.php"
    assert "vendor/acme/kit" in finding.message


@settings(max_examples=100, deadline=None, database=None)
@given(st.text("ComponentRegistrar::register(module,'_\"\\__DIR__)/*#;$\n ", max_size=80))
def test_whatever_the_file_holds_there_is_no_error(source: str) -> None:
    read_components([(PATH, f"<?php {USE}ComponentRegistrar::register({source}".encode())])
