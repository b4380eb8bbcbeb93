from builder.magento.system_xml import Field, read_fields

MODEL = "<backend_model>Magento\\Config\\Model\\Config\\Backend\\Encrypted</backend_model>"


def system_xml(inner: str) -> bytes:
    return f"<config><system><section id='acme'>\n{inner}\n</section></system></config>".encode()


def test_fields_are_found_in_groups_of_any_depth_and_encrypted_ones_noticed() -> None:
    inner = (
        f"<group id='a'><field id='key'>{MODEL}</field>\n"
        f"<group id='b'><field id='key'>{MODEL}</field><field id='host'/></group></group>"
    )
    assert read_fields([("system.xml", system_xml(inner))]) == {
        "acme/a/key": Field("system.xml:2", True),
        "acme/a/b/key": Field("system.xml:3", True),
        "acme/a/b/host": Field("system.xml:3", False),
    }


def test_a_field_may_be_kept_under_another_path() -> None:
    inner = f"<group id='a'><field id='b'><config_path>x/y/z</config_path>{MODEL}</field></group>"
    assert set(read_fields([("system.xml", system_xml(inner))])) == {"x/y/z"}


def test_a_file_that_is_included_counts_where_it_says_the_path() -> None:
    content = (
        f"<include><group id='a'><field id='b'><config_path>x/y/z</config_path>{MODEL}</field>"
        f"<field id='c'>{MODEL}</field></group></include>"
    ).encode()
    assert set(read_fields([("inner.xml", content)])) == {"x/y/z"}


def test_a_later_module_that_encrypts_a_field_counts() -> None:
    plain = system_xml("<group id='a'><field id='b'/></group>")
    encrypted = system_xml(f"<group id='a'><field id='b'>{MODEL}</field></group>")
    for files in ([("1", plain), ("2", encrypted)], [("2", encrypted), ("1", plain)]):
        assert read_fields(files) == {"acme/a/b": Field("2:2", True)}
