from typing import Any

from builder.deploy.swarm.tasks import find_failure


def task(number: int, state: str, **status: Any) -> dict[str, Any]:
    return {"ID": f"t{number}", "Status": {"State": state, **status}}


def ended(number: int, code: int) -> dict[str, Any]:
    return task(number, "failed", ContainerStatus={"ContainerID": "c", "ExitCode": code})


def test_a_container_that_ends_or_is_unhealthy_is_a_failure() -> None:
    crashed = ended(2, 70)
    assert find_failure([task(1, "running"), crashed]) is crashed
    done = task(4, "complete")
    assert find_failure([done]) is done
    ill = task(3, "failed", Err="task: non-zero exit (137): dockerexec: unhealthy container")
    assert find_failure([task(1, "starting"), ill]) is ill


def test_what_failed_before_is_none() -> None:
    assert find_failure([ended(1, 70), task(2, "running")], {"t1"}) is None


def test_what_a_node_refuses_is_tried_again_and_not_for_ever() -> None:
    refused = [task(number, "rejected", Err="network sandbox not found") for number in range(6)]
    assert find_failure(refused[:5]) is None
    assert find_failure(refused) is refused[5]
