"""What Kiln writes as config.php, read by real PHP and laid out as Magento's own class does it."""

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.magento.php_array import PhpArray
from builder.magento.php_export import export_php_file
from tests.containers import Container
from tests.unit.magento.php_literals import arrays

# Each value with its type, and whether Magento would have written the same file.
READ = r"""<?php
require '/app/app/bootstrap.php';
// Magento cuts floats to 14 digits where it writes them; Kiln keeps them.
ini_set('serialize_precision', '-1');
function typed($value) {
    if (is_array($value)) {
        $entries = [];
        foreach ($value as $key => $below) {
            $entries[] = [typed($key), typed($below)];
        }
        return ['array', $entries];
    }
    return match (gettype($value)) {
        'string' => ['string', bin2hex($value)],
        'integer' => ['integer', (string) $value],
        'double' => ['double', bin2hex(pack('E', $value))],
        'boolean' => ['boolean', $value],
        'NULL' => ['null', null],
    };
}
$formatter = \Magento\Framework\App\DeploymentConfig\Writer\PhpFormatter::class;
$writer = \Magento\Framework\App\DeploymentConfig\Writer::class;
$format = class_exists($formatter)
    ? fn ($value) => (new $formatter())->format($value)
    : fn ($value) => "<?php\nreturn "
        . (new ReflectionMethod($writer, 'export'))->invoke(null, $value) . ";\n";
$results = [];
foreach (json_decode(file_get_contents('php://stdin')) as $text) {
    $file = tempnam('/tmp', 'config');
    file_put_contents($file, $text);
    $value = require $file;
    $results[] = [typed($value), $format($value) === $text];
    unlink($file);
}
echo json_encode($results);
"""


def typed(value: object) -> list[Any]:
    match value:
        case dict():
            return ["array", [[typed(key), typed(below)] for key, below in value.items()]]
        case bool():
            return ["boolean", value]
        case int():
            return ["integer", str(value)]
        case float():
            assert math.isfinite(value)
            return ["double", struct.pack(">d", value).hex()]
        case str():
            return ["string", value.encode().hex()]
    return ["null", None]


@pytest.fixture(scope="module")
def php(
    engine: docker.DockerClient, record: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """The shop's image with nothing running but a shell, and a folder /io to speak through."""
    folder = tmp_path_factory.mktemp("io")
    folder.chmod(0o777)
    (folder / "read.php").write_text(READ)
    container = engine.containers.run(
        str(engine.images.pull(record["image"]).id),
        ["infinity"],
        entrypoint="sleep",
        detach=True,
        network_mode="none",
        volumes={str(folder): {"bind": "/io", "mode": "rw"}},
    )
    try:
        yield Container(container, str(folder))
    finally:
        container.remove(force=True, v=True)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(arrays(), min_size=20, max_size=60))
def test_php_reads_back_what_is_written_and_magento_would_write_the_same(
    php: Container, values: list[PhpArray]
) -> None:
    Path(php.address, "in.json").write_text(json.dumps([export_php_file(one) for one in values]))
    code, output = php.run("sh", "-c", "php /io/read.php < /io/in.json")
    assert code == 0, output
    for value, (read, same) in zip(values, json.loads(output), strict=True):
        assert read == typed(value)
        assert same, export_php_file(value)
