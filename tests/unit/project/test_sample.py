from builder.project.loading import parse_project_file
from builder.project.sample import render_sample
from tests.unit.conftest import Golden

VALUES = {
    "name": "sample",
    "static": {"themes": {"frontend/Magento/luma": ["en_US", "de_DE"]}},
}


def test_the_sample_is_a_valid_project_file_with_the_given_values() -> None:
    file, _ = parse_project_file(render_sample(VALUES).encode())
    assert file.name == "sample"
    assert file.static.themes == {"frontend/Magento/luma": ("en_US", "de_DE")}


def test_uncommenting_a_setting_of_the_sample_is_valid_too() -> None:
    text = render_sample(VALUES).replace("# registry: 'localhost:5000'", "registry: r.example")
    text = text.replace("# registry: localhost:5000", "registry: r.example")
    assert parse_project_file(text.encode())[0].registry == "r.example"


def test_every_setting_of_the_model_is_in_the_sample() -> None:
    text = render_sample(VALUES)
    for name in ("extensions:", "mirror:", "strategy:", "patches:", "ca_bundle:", "public_key:"):
        assert name in text


def test_the_reference_holds_every_setting_as_the_model_says(golden: Golden) -> None:
    golden.check("../../docs/kiln.yaml", render_sample(VALUES))
