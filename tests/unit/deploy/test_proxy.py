"""What HAProxy says and how it is taken; what it does is in tests/integration/test_proxy.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from builder.deploy.proxy import Proxy, explain_config
from builder.deploy.proxy_reader import (
    Workers,
    parse_info,
    parse_map,
    parse_servers,
    parse_stat,
    parse_traffic,
    parse_workers,
)
from builder.errors import ProxyError
from builder.process import Completed
from builder.render.proxy import render_proxy_files
from tests.unit.plans import make_proxy_plan

PROC = """\
#<PID>          <type>          <reloads>       <uptime>        <version>
1               master          3 [failed: 0]   0d00h00m28s     2.6.12-1+deb12u3
# workers
199             worker          0               0d00h00m01s     2.6.12-1+deb12u3
# old workers
131             worker          1               0d00h00m20s     2.6.12-1+deb12u3
120             worker          2               0d00h00m24s     2.6.12-1+deb12u3
# programs

"""
FAILED = """\
#<PID>          <type>          <reloads>       <uptime>        <version>
1               master          2 [failed: 1]   0d00h00m27s     2.6.12-1+deb12u3
# workers
131             worker          1               0d00h00m04s     2.6.12-1+deb12u3
# programs
"""
COLUMNS = (
    "pxname,svname,qcur,scur,econ,eresp,wretr,wredis,status,check_status,hrsp_5xx,req_tot,addr,new"
)


def stat(*rows: str) -> str:
    return "\n".join([f"# {COLUMNS},", *(f"{row}," for row in rows), ""]) + "\n"


STAT = stat(
    'shop,FRONTEND,,3,,,,,OPEN,,7,90,,"a, b"',
    "be_blue,web1,0,2,0,0,0,0,UP,L7OK,0,,10.231.7.33:8080,",
    "be_blue,web2,0,0,4,1,2,2,UP 1/3,* L7TOUT,0,,10.231.7.34:8080,",
    "be_blue,BACKEND,1,2,4,1,2,2,UP,,6,80,,",
    "be_green,web1,0,0,0,0,0,0,UP,* INI,0,,10.231.7.97:8080,",
    "be_green,web2,0,0,0,0,0,0,DOWN 1/2,L4CON,0,,10.231.7.98:8080,",
    "be_green,BACKEND,0,0,0,0,0,0,DOWN,,0,0,,",
)


def test_workers_are_read_off_the_master() -> None:
    assert parse_workers(PROC) == Workers(current=199, old=(131, 120), failed=0)
    assert parse_workers(FAILED) == Workers(current=131, old=(), failed=1)
    assert parse_workers("") == Workers(current=None, old=(), failed=0)


def test_a_map_is_read_as_its_entries() -> None:
    text = "0x55b2 version10 be_assets_1\n0x7f09 version20 be_blue\n\n"
    assert parse_map(text) == {"version10": "be_assets_1", "version20": "be_blue"}


def test_info_is_read_as_pairs() -> None:
    assert parse_info("Pid: 8\ndescription: c99c\n\n") == {"Pid": "8", "description": "c99c"}


def test_statistics_are_read_by_their_columns_names() -> None:
    rows = parse_stat(STAT)
    assert rows["shop", "FRONTEND"]["new"] == "a, b"
    assert rows["be_blue", "BACKEND"]["scur"] == "2"


def test_a_server_is_up_when_a_check_has_passed_and_not_before() -> None:
    blue, green = (parse_servers(STAT, f"be_{slot}") for slot in ("blue", "green"))
    assert [(one.name, one.up, one.check) for one in blue] == [
        ("web1", True, "L7OK"),
        ("web2", False, "L7TOUT"),
    ]
    assert [(one.up, one.status, one.check) for one in green] == [
        (False, "UP", "INI"),
        (False, "DOWN 1/2", "L4CON"),
    ]
    assert blue[0].address == "10.231.7.33:8080"
    assert blue[0].current == 2


def test_traffic_is_the_difference_of_two_counts() -> None:
    earlier = parse_traffic(STAT, "be_blue", 8)
    later = parse_traffic(STAT.replace(",6,80,", ",9,180,"), "be_blue", 8)
    assert (later.requests, later.errors, later.connection_errors) == (180, 9, 4)
    spent = later.since(earlier)
    assert (spent.requests, spent.errors, spent.connection_errors, spent.current) == (100, 3, 0, 2)


def test_a_worker_that_came_later_has_counted_from_nothing() -> None:
    earlier, later = (parse_traffic(STAT, "be_blue", worker) for worker in (8, 9))
    assert later.since(earlier) == later


def test_a_missing_backend_is_said() -> None:
    with pytest.raises(ProxyError, match="no backend be_red"):
        parse_traffic(STAT, "be_red", 8)


def test_a_refused_configuration_is_said_with_its_line() -> None:
    error = explain_config(
        Completed(
            1,
            "",
            "[NOTICE]   (166) : haproxy version is 2.6.12-1+deb12u3\n"
            "[ALERT]    (166) : config : parsing [/proxy/haproxy.cfg.next:9] : unknown keyword "
            "'maxcon' in 'global' section\n"
            "[ALERT]    (166) : config : Fatal errors found in configuration.\n",
        )
    )
    assert error.where == "haproxy.cfg:9"
    assert error.message.endswith("unknown keyword 'maxcon' in 'global' section")
    assert error.details == ("Fatal errors found in configuration.",)


def test_a_check_that_dies_without_a_word_is_an_error_too() -> None:
    assert "ended with 137" in explain_config(Completed(137, "", "")).message


Answer = Callable[[str], str]


@dataclass
class Container:
    """A proxy's container that answers as it is told, and what it was asked."""

    answer: Answer
    commands: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    seconds: float = 0
    checked: Completed = field(default_factory=lambda: Completed(0, "", ""))

    def run(self, argv: Sequence[str]) -> Completed:
        if argv[0] == "haproxy":
            return self.checked
        command = argv[-1]
        self.commands.append(command)
        try:
            return Completed(0, self.answer(command), "")
        except ConnectionError as error:
            return Completed(1, "", str(error))

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def proxy(self) -> Proxy:
        return Proxy(
            run=self.run,
            write_file=self.files.__setitem__,
            clock=lambda: self.seconds,
            sleep=self.sleep,
        )


def answers(*pairs: tuple[str, str | list[str]]) -> Answer:
    """By the command's end an answer; of a list the next one, and the last one for good."""

    def answer(command: str) -> str:
        for end, given in pairs:
            if command.endswith(end):
                if isinstance(given, str):
                    return given
                return given.pop(0) if len(given) > 1 else given[0]
        return ""

    return answer


def scur(count: int) -> str:
    return stat(f"be_blue,BACKEND,0,{count},0,0,0,0,UP,,0,0,,")


def test_a_swap_reaches_old_workers_too_and_the_file_first() -> None:
    container = Container(answers(("show proc", PROC), ("live.map", "New version created: 4\n\n")))

    def answer(command: str) -> str:
        assert container.files["live.map"] == b"live be_green\n"
        if "commit" in command:
            return "\n\n"
        return PROC if command == "show proc" else "New version created: 4\n\n"

    container.answer = answer
    container.proxy().set_live("green")
    for worker in (199, 131, 120):
        assert (
            f"@!{worker} add map @4 /proxy/live.map live be_green;"
            f"@!{worker} commit map @4 /proxy/live.map" in container.commands
        )
    # Connections come in at the current one: it is last, when the others know.
    assert "@!199 commit" in container.commands[-1]


@pytest.mark.parametrize(
    "said", ["Can't find the target PID matching the prefix '@!131'\n", "\n", ""]
)
def test_an_old_worker_that_has_just_ended_is_no_failure(said: str) -> None:
    def answer(command: str) -> str:
        if command == "show proc":
            return PROC
        if "199" not in command:
            return said
        return "New version created: 1\n" if "prepare" in command else "\n"

    Container(answer).proxy().set_mode("maintenance")


def test_a_map_that_is_refused_is_said() -> None:
    container = Container(
        answers(
            ("show proc", PROC),
            ("prepare map /proxy/versions.map", "New version created: 1\n"),
            ("commit map @1 /proxy/versions.map", "Version number in the future\n"),
        )
    )
    with pytest.raises(ProxyError, match="Version number in the future"):
        container.proxy().set_versions({"10": "be_blue"})


def test_connections_of_old_workers_count() -> None:
    container = Container(
        answers(("show proc", PROC), ("@!199 show stat", scur(2)), ("show stat", scur(5)))
    )
    assert container.proxy().connections("blue") == 12


def test_a_drain_ends_when_nothing_is_found_twice() -> None:
    counts = [scur(count) for count in (3, 1, 0, 1, 0, 0)]
    container = Container(answers(("show proc", FAILED), ("show stat", counts)))
    told: list[int] = []
    drained = container.proxy().drain("blue", 60, told.append)
    assert told == [3, 1, 0, 1, 0, 0]
    assert drained.left == 0


def test_a_drain_ends_in_time_and_says_what_is_left() -> None:
    container = Container(answers(("show proc", FAILED), ("show stat", scur(2))))
    drained = container.proxy().drain("blue", 5)
    assert (drained.left, drained.seconds) == (2, 5)


def test_servers_that_do_not_come_up_are_named() -> None:
    container = Container(answers(("show proc", FAILED), ("show stat", STAT)))
    with pytest.raises(ProxyError, match="0 of 2 containers") as caught:
        container.proxy().wait_up("green", 2, 5)
    assert caught.value.details == (
        "web1 10.231.7.97:8080: UP, INI",
        "web2 10.231.7.98:8080: DOWN 1/2, L4CON",
    )


def test_a_configuration_that_runs_already_is_not_loaded_again() -> None:
    files = render_proxy_files(make_proxy_plan())
    digest = files["haproxy.cfg"].decode().partition("description ")[2].split()[0]
    info = f"description: {digest}\n"
    container = Container(answers(("show proc", FAILED), ("show info", info)))
    assert container.proxy().configure(files) is False
    assert "reload" not in container.commands


def test_a_refused_configuration_is_not_put_in_place() -> None:
    container = Container(answers(), checked=Completed(1, "", "[ALERT] (1) : config : no"))
    with pytest.raises(ProxyError, match="refuses its configuration: no"):
        container.proxy().configure(render_proxy_files(make_proxy_plan()))
    assert "haproxy.cfg" not in container.files


def test_a_reload_waits_for_the_new_worker_while_the_master_starts_anew() -> None:
    procs = iter([FAILED, "refused", "", FAILED.replace("131", "140").replace("d: 1", "d: 0")])

    def answer(command: str) -> str:
        if command == "show proc":
            found = next(procs)
            if found == "refused":
                raise ConnectionRefusedError
            return found
        return "description: 00aa\n" if command == "@!140 show info" else ""

    container = Container(answer)
    container.proxy().reload()
    assert container.commands[-1] == "@!140 show info"


def test_a_reload_that_fails_is_said() -> None:
    ready = FAILED.replace("failed: 1", "failed: 0")
    container = Container(answers(("show proc", [ready, FAILED])))
    with pytest.raises(ProxyError, match="runs on with its old configuration"):
        container.proxy().reload()


def test_a_proxy_that_is_not_there_is_said() -> None:
    def answer(command: str) -> str:
        raise ConnectionRefusedError("connect: Connection refused")

    with pytest.raises(ProxyError, match="does not answer"):
        Container(answer).proxy().live()
