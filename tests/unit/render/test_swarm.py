"""Services of a swarm, as reviewed."""

from typing import Any

from builder.plan.stack import Stack
from builder.project.deployment import Deploy
from builder.render.swarm import (
    MONITOR_SECONDS,
    PROXY_LABEL,
    ReleaseObjects,
    Stored,
    give_secrets,
    render_assets,
    render_job,
    render_own_service,
    render_proxy,
    render_web,
    render_workers,
    service_name,
    text_of,
)
from tests.unit.conftest import Golden
from tests.unit.records import make_image, make_release, make_stack

OBJECTS = ReleaseObjects(
    Stored("kiln-0123", "c1"),
    {"db-password": Stored("sample-production-db-password-0123456789ab", "s1")},
    ("/app/var", "/app/pub/media", "/tmp"),
    "n1",
)
NFS = {"type": "nfs", "o": "addr=10.0.0.9,rw", "device": ":/media"}


def stack(**deploy: Any) -> Stack:
    swarm = {
        "nodes": ["ssh://root@one"],
        "roles": {"web": {"constraints": ["node.labels.tier==web"], "cpus": 1.5}},
    }
    media = {"volume": {"driver": "local", "options": NFS}}
    values = {"driver": "swarm", "swarm": swarm, "media": media, **deploy}
    return make_stack(deploy=Deploy.model_validate(values))


def test_the_services_are_as_reviewed(golden: Golden) -> None:
    made = stack(web={"memory": "2g"}, consumers=["async.operations.all"])
    release = make_release(consumers=("async.operations.all",))
    secrets = {"db-password": OBJECTS.secrets["db-password"]}
    specs = [
        render_web(made, release, OBJECTS),
        *render_workers(made, release, OBJECTS),
        render_assets(made, release, OBJECTS, 2),
        render_job(made, release, OBJECTS, "migrate", "r1"),
        render_proxy(made, make_image("9"), "n1", {PROXY_LABEL: "H4sI"}),
        render_own_service(made, "database", make_image("8"), "n1", secrets, "10.6.18"),
    ]
    golden.check("swarm/services.json", text_of(specs) + "\n")


def test_a_failing_task_is_seen_before_swarm_stops_looking() -> None:
    container = render_web(stack(), make_release(), OBJECTS)["TaskTemplate"]["ContainerSpec"]
    health = container["Healthcheck"]
    seconds = (health["StartPeriod"] + health["Interval"] * health["Retries"]) / 1e9
    assert seconds < MONITOR_SECONDS


def test_with_object_storage_no_volume_is_mounted() -> None:
    spec = render_web(stack(media={"object_storage": True}), make_release(), OBJECTS)
    mounts = spec["TaskTemplate"]["ContainerSpec"]["Mounts"]
    assert [one["Type"] for one in mounts] == ["tmpfs", "tmpfs", "tmpfs"]


def test_what_looks_like_a_template_of_swarm_stays_as_it_is() -> None:
    release = make_release(variables={"MAGE_X": "{{.Node.ID}}"})
    container = render_web(stack(), release, OBJECTS)["TaskTemplate"]["ContainerSpec"]
    assert 'MAGE_X={{"{{"}}.Node.ID}}' in container["Env"]


def test_a_service_is_given_another_version_of_a_secret_at_the_same_place() -> None:
    spec = render_web(stack(), make_release(), OBJECTS)
    assert not give_secrets(spec, OBJECTS.secrets)
    assert give_secrets(spec, {"db-password": Stored("other", "s2")})
    (found,) = spec["TaskTemplate"]["ContainerSpec"]["Secrets"]
    assert (found["SecretID"], found["SecretName"]) == ("s2", "other")
    assert found["File"] == {"Name": "db-password", "UID": "33", "GID": "33", "Mode": 0o400}


def test_names_of_services_are_not_too_long_for_swarm_and_stay_apart() -> None:
    one, other = ("a" * 60 + end for end in ("-one", "-two"))
    names = {service_name(name, "r12-consumer-async-operations-all") for name in (one, other)}
    assert len(names) == 2
    assert all(len(name) <= 63 and name.endswith("-all") for name in names)
    assert service_name("sample-production", "r1-web") == "sample-production-r1-web"
