from builder.cli.system import most_replicas
from builder.deploy.services import find_moved, proxy_plan
from builder.plan.proxy import Listener
from builder.project.deployment import Deploy
from tests.unit.records import make_release, make_stack, make_state, record

MOUNTS = {
    "/state": "/var/lib/kiln/sample-production",
    "/secrets": "/run/kiln/sample-production",
}


def test_a_system_is_where_it_was_set_up() -> None:
    assert find_moved(make_stack(), MOUNTS, ["10.231.7.0/24"]) == ()
    # Before the first release there is no network.
    assert find_moved(make_stack(), MOUNTS, []) == ()


def test_a_file_that_says_another_place_is_noticed() -> None:
    stack = make_stack(deploy=Deploy(state="/srv/kiln"))
    assert find_moved(stack, MOUNTS, ["10.9.9.0/24"]) == (
        "deploy.state: it is at /var/lib/kiln/sample-production, "
        "and would be at /srv/kiln/sample-production",
        "deploy.subnet: it is at 10.9.9.0/24, and would be at 10.231.7.0/24",
    )


def test_the_proxy_speaks_https_only_with_a_certificate() -> None:
    assert proxy_plan(make_stack(), 2, None).listeners == (Listener(8080),)
    secure = proxy_plan(make_stack(), 2, "tls-certificate-0123").listeners
    assert secure == (Listener(8080), Listener(8443, "tls-certificate-0123"))


def test_the_proxy_has_room_for_every_release_that_can_be_gone_back_to() -> None:
    large, small = make_release(1, replicas=5), make_release(2, replicas=1)
    assert most_replicas(make_stack(), make_state(small, record(large), record(small))) == 5
    assert most_replicas(make_stack(), make_state(None)) == Deploy().web.replicas
