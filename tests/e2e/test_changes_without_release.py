"""What is changed of a system that runs: a secret, the proxy's configuration, its size."""

import time

from tests.e2e.systems import Images, System, assert_unharmed, under_load


def log_in(system: System, password: str) -> bool:
    """Whether the database takes a password."""
    code, _ = system.container("database").run(
        *("mariadb", "--host=127.0.0.1", "--user=shop", f"--password={password}", "-e", "SELECT 1")
    )
    return code == 0


def test_the_databases_password_is_rotated_without_a_failed_request(system: System) -> None:
    old = (system.source / "db-password").read_text().rstrip()
    ended, result = under_load(
        system, lambda: system("secrets", "rotate", system.name, "db-password", "--generate")
    )
    assert ended.code == 0, ended.err
    assert_unharmed(system, result)
    new = (system.source / "db-password").read_text().rstrip()
    assert new != old
    assert log_in(system, new)
    assert not log_in(system, old)
    assert old not in ended.out + ended.err
    assert new not in ended.out + ended.err
    for folder in (str(system.current), "services"):
        files = {one.name for one in (system.source.parent / system.stack / folder).iterdir()}
        assert "db-password.next" not in files


def test_a_rotation_is_rolled_back_without_a_failed_request(system: System) -> None:
    new = (system.source / "db-password").read_text().rstrip()
    ended, result = under_load(
        system, lambda: system("secrets", "rollback", system.name, "db-password")
    )
    assert ended.code == 0, ended.err
    assert_unharmed(system, result)
    old = (system.source / "db-password").read_text().rstrip()
    assert old != new
    assert log_in(system, old)
    assert not log_in(system, new)


def test_a_rotated_secret_is_that_of_the_next_rollback(system: System, images: Images) -> None:
    """What the old release had is not right any more."""
    before = system.current
    assert system.deploy(images.second, *()).code == 0
    ended = system("rollback", system.name, str(before))
    assert ended.code == 0, ended.err
    assert system.get("/checkout/cart").status_code == 200


def test_more_containers_and_another_proxy_configuration_come_without_a_failed_request(
    system: System, images: Images
) -> None:
    system.change(web={"replicas": 3, "max_children": 4}, maintenance={"retry_after": 7})
    ended, result = under_load(system, lambda: system.deploy(images.first))
    assert ended.code == 0, ended.err
    assert_unharmed(system, result)
    assert len(system.names(role="web")) == 3
    assert "Retry-After 7" in (system.state_folder / "proxy" / "haproxy.cfg").read_text()


def test_fewer_containers_as_well(system: System, images: Images) -> None:
    system.change(web={"replicas": 1, "max_children": 16})
    ended, result = under_load(system, lambda: system.deploy(images.second))
    assert ended.code == 0, ended.err
    assert_unharmed(system, result)
    assert len(system.names(role="web")) == 1
    time.sleep(1)
    assert system.get().status_code == 200
