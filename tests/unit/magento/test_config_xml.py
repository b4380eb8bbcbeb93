from builder.magento.config_xml import Default, is_encrypting, read_cron_groups, read_defaults


def config_xml(inner: str) -> bytes:
    return f"<?xml version='1.0'?>\n<config>\n<default>\n{inner}\n</default>\n</config>".encode()


def values(*contents: bytes) -> dict[str, str | None]:
    read = read_defaults((f"{at}/config.xml", content) for at, content in enumerate(contents))
    return {path: one.value for path, one in read["default"].items()}


def test_values_are_read_by_scope_with_their_place() -> None:
    text = (
        b"<config><default><a><b><c>x</c></b></a></default>\n"
        b"<websites><base><a><b><c>y</c></b></a></base></websites>\n"
        b"<stores><de><a><b><c>z</c></b></a></de></stores></config>"
    )
    read = read_defaults([("a.xml", text)])
    assert read["default"]["a/b/c"] == Default("x", "a.xml:1")
    assert read["websites/base"]["a/b/c"] == Default("y", "a.xml:2")
    assert read["stores/de"]["a/b/c"] == Default("z", "a.xml:3")


def test_a_later_module_wins_and_one_without_a_value_changes_nothing() -> None:
    first = config_xml("<a><b><c>x</c><d>y</d><e/></b></a>")
    second = config_xml("<a><b><c>z</c><d/><e><!-- none --></e></b></a>")
    assert values(first, second) == {"a/b/c": "z", "a/b/d": "y", "a/b/e": None}


def test_text_is_taken_as_it_is_and_blank_text_is_none() -> None:
    assert values(config_xml("<a><b><c> x </c><d> \n </d></b></a>")) == {
        "a/b/c": " x ",
        "a/b/d": None,
    }


def test_merged_text_has_its_entities_resolved_once_more() -> None:
    once, again = config_xml("<a><b><c/></b></a>"), config_xml("<a><b><c>x&amp;amp;y</c></b></a>")
    assert values(again) == {"a/b/c": "x&amp;y"}
    assert values(once, again) == {"a/b/c": "x&y"}


def test_a_backend_model_that_encrypts_is_noticed() -> None:
    content = config_xml(
        '<a><b><c backend_model="Magento\\Config\\Model\\Config\\Backend\\Encrypted"/>'
        '<d backend_model="Acme\\Serialized"/></b></a>'
    )
    read = read_defaults([("a.xml", content), ("b.xml", config_xml("<a><b><c>x</c></b></a>"))])
    assert read["default"]["a/b/c"].encrypted
    assert not read["default"]["a/b/d"].encrypted
    assert not is_encrypting("")


def test_other_sections_do_not_count() -> None:
    assert (
        read_defaults([("a.xml", b"<config><global><a><b><c>x</c></b></a></global></config>")])
        == {}
    )


def test_cron_groups_are_defaults_too() -> None:
    content = (
        b'<config>\n<group id="index">\n<schedule_lifetime>2</schedule_lifetime></group></config>'
    )
    assert read_cron_groups([("a.xml", content)]) == {
        "system/cron/index/schedule_lifetime": Default("2", "a.xml:3")
    }
