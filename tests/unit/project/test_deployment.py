import pytest
from pydantic import ValidationError

from builder.project.deployment import Deploy, VolumeMedia

NODES = {"nodes": ["ssh://root@one"]}


def test_a_swarm_names_its_nodes() -> None:
    assert Deploy.model_validate({"driver": "swarm", "swarm": NODES}).swarm is not None
    for wrong in ({"driver": "swarm"}, {"swarm": NODES}, {"driver": "swarm", "swarm": {}}):
        with pytest.raises(ValidationError):
            Deploy.model_validate(wrong)


@pytest.mark.parametrize(
    ("volume", "alone"),
    [
        ({}, True),
        ({"options": {"type": "nfs", "o": "addr=10.0.0.9", "device": ":/media"}}, False),
        ({"driver": "rclone"}, False),
    ],
)
def test_a_local_volume_without_a_device_is_each_hosts_own(
    volume: dict[str, object], alone: bool
) -> None:
    media = Deploy.model_validate({"media": {"volume": volume}}).media
    assert isinstance(media, VolumeMedia)
    assert media.volume.is_of_one_host is alone
