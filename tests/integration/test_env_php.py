"""The generated env.php, read by the PHP of the image: what was written is what is read."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from builder.errors import ProjectFileError
from builder.magento.delivery import Delivery, plan_delivery
from builder.magento.env_tree import EnvValue, SecretRef
from builder.magento.php_array import php_key
from tests.containers import run_container
from tests.integration.php_values import Php
from tests.unit.environments import FULL, MINIMAL, make_environment

CANARY = "kanarie-4f2b9c"
CRYPT_KEY = b"0123456789abcdef0123456789abcdef"
FRAGMENTS = [
    "'", '"', "\\", "\\'", "$", "${HOME}", "$HOME", "{$x}", "$(id)", "`id`", "\n", "\r\n", "\t",
    "<?php ", "?>", "<?= 1 ?>", "';touch('/tmp/pwned');'", "*/", "//", "#", "{{ 7*7 }}",
    "{% raw %}", "{#", "%s", "%env(X)%", "#env(HOME)x", "ümlaut", "😀", "\u2028", "\ufeff", "\x7f",
    "\x01", "<<<EOT\n", "EOT", "null", "0", "",
]  # fmt: skip
TEXT = st.lists(
    st.sampled_from(FRAGMENTS) | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    max_size=8,
).map("".join)
SEGMENT = st.from_regex(r"[A-Za-z0-9_]{1,8}", fullmatch=True)
PATHS = st.lists(SEGMENT, min_size=3, max_size=3).map("/".join)
VALUES = TEXT | st.integers() | st.booleans()
# As files hold them: any bytes.
SECRETS = TEXT.map(str.encode) | st.binary(max_size=60)
KEYS = st.text("abcXYZ019+/=$'\"\\", min_size=32, max_size=32).map(str.encode)


@dataclass(frozen=True)
class Sample:
    """An environment's content, and what the files of its secrets hold."""

    environment: dict[str, Any]
    secrets: dict[str, bytes]

    def deliver(self) -> Delivery:
        return plan_delivery(make_environment(self.environment), "2.4.7-p3", release="r1")


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    settings_of = st.dictionaries(PATHS, VALUES, max_size=3)
    codes = st.from_regex(r"[a-zA-Z][a-z0-9_]{0,4}", fullmatch=True)
    hosts = TEXT.map(lambda text: text.replace(":", "").strip() or "db")
    services = {
        "database": {
            "host": draw(hosts),
            "name": draw(TEXT),
            "user": draw(TEXT),
            "password": {"secret": "db-password"},
            "table_prefix": draw(TEXT),
            "tls_ca": draw(TEXT | st.none()),
        },
        "session": {"host": draw(hosts), "password": {"secret": "redis-password"}},
        "cache": {"host": draw(hosts)},
        "queue": {"host": draw(hosts), "user": draw(TEXT), "password": {"secret": "mq"}},
    }
    environment = {
        **MINIMAL,
        "settings": {
            "default": {**draw(settings_of), "carriers/ups/password": {"secret": "ups"}},
            "websites": draw(st.dictionaries(codes, settings_of, max_size=2)),
            "stores": draw(st.dictionaries(codes, settings_of, max_size=2)),
        },
        "services": services,
    }
    secrets = {name: draw(SECRETS) for name in ("db-password", "redis-password", "mq", "ups")}
    return Sample(environment, {**secrets, "crypt-key": draw(KEYS)})


@pytest.fixture(scope="module")
def php(
    engine: docker.DockerClient,
    record: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Php]:
    folders = [tmp_path_factory.mktemp("env-php") / name for name in ("work", "secrets")]
    for folder in folders:
        folder.mkdir(mode=0o755)
    volumes = {
        str(folder): {"bind": bind, "mode": "ro"}
        for folder, bind in zip(folders, ("/work", "/run/secrets"), strict=True)
    }
    with run_container(engine, record["image"], "sleep", "3600", volumes=volumes) as container:
        yield Php(container, *folders)


def as_php_has_it(value: EnvValue | Mapping[str, EnvValue], secrets: dict[str, bytes]) -> Any:
    """A tree with the secrets in it, as PHP should have read them."""
    if isinstance(value, SecretRef):
        content = secrets[value.name]
        if value.use == "cache_id_salt":
            digest = hmac.new(content, b"cache/graphql/id_salt", hashlib.sha256).hexdigest()
            return digest[:32].encode()
        return content
    if isinstance(value, Mapping):
        return {key: as_php_has_it(below, secrets) for key, below in value.items()}
    return value.encode() if isinstance(value, str) else value


def check(php: Php, found: list[Sample]) -> None:
    """Each sample's env.php, all of them read by one process."""
    numbered = {f"{number:03}": sample for number, sample in enumerate(found)}
    deliveries: dict[str, Delivery] = {}
    files: dict[str, bytes] = {}
    for number, sample in numbered.items():
        # One folder of secrets for all: each has its own names in it.
        renamed = rename_secrets(sample.environment, f"s{number}-")
        deliveries[number] = Sample(renamed, {}).deliver()
        # A file ends with a line break where an editor wrote it, and without where Docker did.
        ending = b"\n" if int(number) % 2 or sample_ends_with_newline(sample) else b""
        files |= {f"s{number}-{name}": text + ending for name, text in sample.secrets.items()}
    php.give(files)
    for number, (returned, env) in php.read(deliveries).items():
        sample, delivery = numbered[number], deliveries[number]
        secrets = {f"s{number}-{name}": text for name, text in sample.secrets.items()}
        assert returned == as_php_has_it(delivery.env_php, secrets)
        assert env == as_php_has_it(delivery.config, secrets)
        check_values(sample, returned, env)


def rename_secrets(value: Any, prefix: str) -> Any:
    if not isinstance(value, dict):
        return value
    if "secret" in value:
        return {"secret": prefix + value["secret"]}
    return {key: rename_secrets(below, prefix) for key, below in value.items()}


def sample_ends_with_newline(sample: Sample) -> bool:
    return any(text.endswith(b"\n") for text in sample.secrets.values())


def check_values(sample: Sample, returned: Any, env: Any) -> None:
    """What the environment's file says, found again without asking the code under test."""
    database = sample.environment["services"]["database"]
    connection = returned["db"]["connection"]["default"]
    for key, name in (("host", "host"), ("dbname", "name"), ("username", "user")):
        assert connection[key].decode() == database[name]
    assert connection["password"] == sample.secrets["db-password"]
    assert returned["crypt"]["key"] == sample.secrets["crypt-key"]
    assert env["CONFIG__DEFAULT__CARRIERS__UPS__PASSWORD"] == sample.secrets["ups"]
    given = sample.environment["settings"]
    scopes: dict[tuple[str, ...], dict[str, Any]] = {("default",): given["default"]}
    for kind in ("websites", "stores"):
        scopes |= {(kind, code): values for code, values in given[kind].items()}
    for scope, values in scopes.items():
        for path, value in values.items():
            if not isinstance(value, dict):
                assert found_at(returned, env, scope, path) == as_text(value)


def found_at(returned: Any, env: Any, scope: tuple[str, ...], path: str) -> str:
    name = "CONFIG__" + "__".join((*scope, *path.split("/"))).upper()
    branch = returned.get("system", {})
    for key in (*scope, *path.split("/")):
        branch = branch.get(php_key(key), {}) if isinstance(branch, dict) else {}
    found = branch if isinstance(branch, bytes) else env[name]
    assert isinstance(found, bytes)
    return found.decode()


def as_text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


@settings(
    max_examples=40,
    deadline=None,
    # Every attempt to shrink runs PHP anew.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(samples(), min_size=1, max_size=12))
def test_php_reads_what_the_environment_says(php: Php, found: list[Sample]) -> None:
    check(php, found)
    assert php.container.run("ls", "/tmp/pwned")[0] != 0


def test_very_long_values_arrive(php: Php) -> None:
    long = ("it's $x \\ {{ }} <?php ?> ü😀\n" * 5000)[:100_000]
    environment = {
        **FULL,
        "settings": {"default": {"a/b/c": long, "acme/camelCase/x": long}},
        "services": {
            "database": {**MINIMAL["services"]["database"], "name": long},
        },
    }
    delivery = plan_delivery(make_environment(environment), "2.4.7-p3")
    secrets = {"db-password": long.encode(), "crypt-key": CRYPT_KEY}
    php.give(secrets)
    ((returned, env),) = php.read({"long": delivery}).values()
    assert env == {"CONFIG__DEFAULT__A__B__C": long.encode()}
    assert returned == as_php_has_it(delivery.env_php, secrets)
    assert returned["db"]["connection"]["default"]["password"].decode() == long


def test_exactly_one_line_break_is_taken_off_a_secret(php: Php) -> None:
    delivery = plan_delivery(make_environment(MINIMAL), "2.4.7-p3")
    for held, read in ((b"x\n\n", b"x\n"), (b"x\r\n", b"x\r"), (b"\n", b""), (b" x ", b" x ")):
        php.give({"db-password": held, "crypt-key": CRYPT_KEY + b"\n"})
        ((returned, _),) = php.read({"one": delivery}).values()
        assert returned["db"]["connection"]["default"]["password"] == read


@pytest.mark.parametrize(
    "key",
    [
        CRYPT_KEY,
        b"base64" + base64.b64encode(bytes(range(32))),
        # After a rotation: the old ones first.
        b"old-and-short\n" + CRYPT_KEY,
    ],
)
def test_a_crypt_key_of_magento_is_taken(php: Php, key: bytes) -> None:
    php.give({"db-password": b"x", "crypt-key": key})
    delivery = plan_delivery(make_environment(MINIMAL), "2.4.7-p3")
    ((returned, _),) = php.read({"one": delivery}).values()
    assert returned["crypt"]["key"] == key


def test_a_key_in_base64_is_refused_where_magento_would_take_it_for_the_key_itself(
    php: Php,
) -> None:
    php.give({"db-password": b"x", "crypt-key": b"base64" + base64.b64encode(bytes(32))})
    code, printed = php.include(plan_delivery(make_environment(MINIMAL), "2.4.6-p11"))
    assert code != 0
    assert "The secret crypt-key is no encryption key of this Magento" in printed
    php.give({"db-password": b"x", "crypt-key": CRYPT_KEY})
    assert php.include(plan_delivery(make_environment(MINIMAL), "2.4.6-p11"))[0] == 0


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"\n",
        b" \n ",
        CANARY.encode(),
        CRYPT_KEY + b"x",
        b"base64" + base64.b64encode(bytes(31)),
        b"base64" + CANARY.encode(),
        CRYPT_KEY + b"\n" + CANARY.encode(),
    ],
)
def test_an_empty_or_malformed_crypt_key_is_refused(php: Php, key: bytes) -> None:
    php.give({"db-password": CANARY.encode(), "crypt-key": key})
    code, printed = php.include(plan_delivery(make_environment(MINIMAL), "2.4.7-p3"))
    assert code != 0
    assert "The secret crypt-key is no encryption key" in printed
    assert CANARY not in printed


def test_a_missing_secret_is_named(php: Php) -> None:
    php.give({"crypt-key": CANARY.ljust(32, "x").encode()})
    code, printed = php.include(plan_delivery(make_environment(MINIMAL), "2.4.7-p3"))
    assert code != 0
    assert "The secret db-password is not there: /run/secrets/db-password" in printed
    assert CANARY not in printed


def test_a_secret_that_is_no_readable_file_is_named(php: Php) -> None:
    delivery = plan_delivery(make_environment(MINIMAL), "2.4.7-p3")
    php.give({"crypt-key": CRYPT_KEY})
    (php.secrets / "db-password").mkdir()
    code, printed = php.include(delivery)
    assert code != 0
    assert "The secret db-password is no file that can be read" in printed
    php.give({"crypt-key": CRYPT_KEY, "db-password": CANARY.encode()})
    (php.secrets / "db-password").chmod(0o600)
    code, printed = php.include(delivery)
    assert code != 0
    assert "The secret db-password is no file that can be read" in printed
    assert CANARY not in printed


def test_a_secret_that_magento_would_replace_is_refused(php: Php) -> None:
    php.give({"crypt-key": CRYPT_KEY, "db-password": f'#env(HOME, "{CANARY}")\n'.encode()})
    code, printed = php.include(plan_delivery(make_environment(MINIMAL), "2.4.7-p3"))
    assert code != 0
    assert "The secret db-password is of the form #env(...)" in printed
    assert CANARY not in printed


def test_env_php_may_be_read_twice_and_leaves_nothing_behind(php: Php) -> None:
    """As Magento does: `include` in a method, once for each of its readers."""
    php.give(dict.fromkeys(plan_delivery(make_environment(FULL), "2.4.8").secrets, CRYPT_KEY))
    php.include(plan_delivery(make_environment(FULL), "2.4.8"))
    script = (
        "$one = include '/work/one/env.php'; $two = include '/work/one/env.php';"
        "unset($argv, $argc); echo json_encode([$one === $two, array_keys(get_defined_vars()),"
        "get_defined_functions()['user'], get_defined_constants(true)['user'] ?? []]);"
    )
    code, printed = php.container.run("php", "-r", script)
    assert code == 0
    same, variables, functions, constants = json.loads(printed)
    assert same
    assert {*variables} - {"one", "two"} <= {
        "_GET", "_POST", "_COOKIE", "_FILES", "_SERVER", "_ENV", "_REQUEST"
    }  # fmt: skip
    assert (functions, constants) == ([], [])


def test_php_warns_of_nothing(php: Php) -> None:
    php.give(dict.fromkeys(plan_delivery(make_environment(FULL), "2.4.8").secrets, CRYPT_KEY))
    assert php.include(plan_delivery(make_environment(FULL), "2.4.8")) == (0, "included")


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "a/b", "/etc/passwd", "x'); touch('/tmp/pwned');('", "a\nb", "", "."],
)
def test_a_secrets_name_that_leaves_the_folder_is_refused(name: str) -> None:
    value = {**MINIMAL, "crypt_key": {"secret": name}}
    with pytest.raises(ProjectFileError):
        make_environment(value)
