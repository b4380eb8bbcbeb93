"""The tests of interrupted releases on one host, unchanged, on the nodes of a swarm."""

import pytest

from tests.e2e.test_interruptions import (  # noqa: F401 - its tests and fixture are these
    killer,
    test_a_job_that_is_cancelled_before_the_swap_leaves_the_old_release,
    test_a_kiln_killed_at_any_time_can_be_gone_on_with,
    test_a_kiln_killed_before_and_after_every_step_loses_no_request,
    test_a_kiln_killed_on_the_way_back_loses_no_request,
    test_a_new_container_that_is_killed_ends_the_release,
    test_an_old_container_that_is_killed_does_not_hold_a_release_up,
)
from tests.e2e.test_swarm_release import system  # noqa: F401 - their fixture

pytestmark = pytest.mark.long
