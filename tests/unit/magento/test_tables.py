from pathlib import Path

import pytest
import yaml

import builder.magento

FOLDER = Path(builder.magento.__file__).parent


def duplicates(node: yaml.Node) -> list[str]:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        return [key for key in keys if keys.count(key) > 1] + [
            name for _, value in node.value for name in duplicates(value)
        ]
    if isinstance(node, yaml.SequenceNode):
        return [name for value in node.value for name in duplicates(value)]
    return []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_a_table_gives_no_key_twice(path: Path) -> None:
    node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    assert node is not None
    assert duplicates(node) == []
