from builder.magento.system_xml import read_encrypted_fields

MODEL = "<backend_model>Magento\\Config\\Model\\Config\\Backend\\Encrypted</backend_model>"


def system_xml(inner: str) -> bytes:
    return f"<config><system><section id='acme'>\n{inner}\n</section></system></config>".encode()


def test_an_encrypted_field_is_found_in_groups_of_any_depth() -> None:
    inner = (
        f"<group id='a'><field id='key'>{MODEL}</field>\n"
        f"<group id='b'><field id='key'>{MODEL}</field><field id='host'/></group></group>"
    )
    assert read_encrypted_fields([("system.xml", system_xml(inner))]) == {
        "acme/a/key": "system.xml:2",
        "acme/a/b/key": "system.xml:3",
    }


def test_a_field_may_be_kept_under_another_path() -> None:
    inner = f"<group id='a'><field id='b'><config_path>x/y/z</config_path>{MODEL}</field></group>"
    assert set(read_encrypted_fields([("system.xml", system_xml(inner))])) == {"x/y/z"}


def test_a_file_that_is_included_counts_where_it_says_the_path() -> None:
    content = (
        f"<include><group id='a'><field id='b'><config_path>x/y/z</config_path>{MODEL}</field>"
        f"<field id='c'>{MODEL}</field></group></include>"
    ).encode()
    assert set(read_encrypted_fields([("inner.xml", content)])) == {"x/y/z"}


def test_a_file_without_such_models_is_not_parsed() -> None:
    assert read_encrypted_fields([("system.xml", b"<config")]) == {}
