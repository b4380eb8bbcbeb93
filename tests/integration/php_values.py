"""The PHP of an image, which reads env.php files and tells what it has of them."""

import base64
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.magento.delivery import Delivery
from builder.render.env_php import render_env_php
from tests.containers import Container

# Prints what each env.php returns and puts into $_ENV, with the types and the bytes as they are.
READER = r"""<?php
function typed(mixed $value): array
{
    if (is_string($value)) {
        return ['text', base64_encode($value)];
    }
    if (!is_array($value)) {
        return [get_debug_type($value), $value];
    }
    $rows = [];
    foreach ($value as $key => $below) {
        $rows[] = [is_int($key) ? $key : base64_encode($key), is_int($key), typed($below)];
    }
    return ['array', $rows];
}
$found = [];
foreach (glob('/work/*/env.php') as $file) {
    $_ENV = [];
    $returned = include $file;
    $found[basename(dirname($file))] = [typed($returned), typed($_ENV)];
}
echo json_encode($found);
"""


@dataclass(frozen=True)
class Php:
    """The image's PHP, with a folder of ours mounted at /work and one at /run/secrets."""

    container: Container
    work: Path
    secrets: Path

    def read(self, deliveries: dict[str, Delivery]) -> dict[str, tuple[Any, Any]]:
        """What PHP has of each env.php: the array, and `$_ENV`."""
        for old in self.work.iterdir():
            shutil.rmtree(old)
        for name, delivery in deliveries.items():
            (self.work / name).mkdir()
            text = render_env_php(delivery).encode()
            (self.work / name / "env.php").write_bytes(text)
        code, printed = self.container.run("php", "-d", "memory_limit=1G", "-r", READER[6:])
        assert code == 0, printed[-2000:]
        return {
            name: (untyped(returned), untyped(env))
            for name, (returned, env) in json.loads(printed).items()
        }

    def give(self, secrets: dict[str, bytes]) -> None:
        for old in self.secrets.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        for name, content in secrets.items():
            (self.secrets / name).write_bytes(content)
            (self.secrets / name).chmod(0o644)

    def include(self, delivery: Delivery) -> tuple[int, str]:
        """Exit code and output of a script that includes one env.php."""
        (self.work / "one").mkdir(exist_ok=True)
        (self.work / "one" / "env.php").write_text(render_env_php(delivery))
        script = "include '/work/one/env.php'; echo 'included';"
        return self.container.run("php", "-d", "display_errors=1", "-r", script)


def untyped(value: Any) -> Any:
    kind, content = value
    if kind == "text":
        return base64.b64decode(content)
    if kind == "array":
        return {
            (key if number else base64.b64decode(key).decode()): untyped(below)
            for key, number, below in content
        }
    return content
