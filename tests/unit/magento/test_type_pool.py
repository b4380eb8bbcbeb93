import pytest

from builder.errors import TreeError
from builder.magento.type_pool import load_core_type_pool, read_type_pool

NAME = "vendor/acme/kit/etc/di.xml"


def di_xml(argument: str, *items: tuple[str, str], type_name: str = "") -> bytes:
    name = type_name or "Magento\\Config\\Model\\Config\\TypePool"
    rows = "\n".join(
        f'<item name="{path}" xsi:type="{"const" if "::" in value else "string"}">{value}</item>'
        for path, value in items
    )
    return (
        '<?xml version="1.0"?>\n<config xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
        f'<type name="{name}"><arguments><argument name="{argument}" xsi:type="array">\n{rows}\n'
        "</argument></arguments></type></config>"
    ).encode()


def test_entries_of_both_types_are_read_with_their_place() -> None:
    pool = read_type_pool(
        [
            (NAME, di_xml("sensitive", ("acme/kit/a", "1"), ("acme/kit/key", "1"))),
            ("other/di.xml", di_xml("environment", ("acme/kit/url", "true"))),
        ]
    )
    assert pool.sensitive == {"acme/kit/a", "acme/kit/key"}
    assert pool.environment == {"acme/kit/url"}
    assert pool.declared_in("acme/kit/key") == f"{NAME}:5"
    assert pool.declared_in("acme/kit/other") == ""


def test_a_later_module_takes_a_path_out_again() -> None:
    first = (NAME, di_xml("sensitive", ("acme/kit/key", "1")))
    second = ("later/di.xml", di_xml("sensitive", ("acme/kit/key", "0")))
    assert read_type_pool([first, second]).sensitive == frozenset()
    assert read_type_pool([second, first]).sensitive == {"acme/kit/key"}
    assert read_type_pool([first, second]).declared == {}


def test_values_count_as_php_counts_them() -> None:
    items = [("a/a/1", "1"), ("a/a/2", " TRUE "), ("a/a/3", "on"), ("a/a/4", "2"), ("a/a/5", "")]
    assert read_type_pool([(NAME, di_xml("sensitive", *items))]).sensitive == {
        "a/a/1",
        "a/a/2",
        "a/a/3",
    }


def test_a_constant_counts_as_sensitive_rather_than_let_a_secret_slip() -> None:
    content = di_xml("sensitive", ("acme/kit/key", "Acme\\Kit::FLAG"))
    assert read_type_pool([(NAME, content)]).sensitive == {"acme/kit/key"}


def test_a_leading_backslash_means_the_same_class() -> None:
    content = di_xml(
        "sensitive", ("a/b/c", "1"), type_name="\\Magento\\Config\\Model\\Config\\TypePool"
    )
    assert read_type_pool([(NAME, content)]).sensitive == {"a/b/c"}


def test_other_classes_and_arguments_do_not_count() -> None:
    other = di_xml("sensitive", ("a/b/c", "1"), type_name="Acme\\Config\\TypePoolFactory")
    excluded = di_xml("excludeList", ("a/b/c", "1"))
    pool = read_type_pool([(NAME, other), (NAME, excluded)])
    assert pool.sensitive == pool.environment == frozenset()


def test_files_without_entries_are_not_parsed() -> None:
    assert read_type_pool([(NAME, b"<config")]).sensitive == frozenset()


def test_broken_xml_is_refused_with_its_line() -> None:
    with pytest.raises(TreeError) as caught:
        read_type_pool([(NAME, b"<config>\n<type name='Config\\TypePool'>\n</config>")])
    assert caught.value.where == f"{NAME}:3"


@pytest.mark.parametrize(
    "doctype",
    [
        b'<!DOCTYPE a [\n<!ENTITY b "x">\n<!ENTITY c "&b;&b;">]>',
        b'<!DOCTYPE a [\n<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_entities_are_refused_with_their_line(doctype: bytes) -> None:
    with pytest.raises(TreeError, match="entity") as caught:
        read_type_pool([(NAME, doctype + b"<a>Config\\TypePool</a>")])
    assert caught.value.where == f"{NAME}:2"


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(TreeError, match="not XML"):
        read_type_pool([(NAME, b"<?xml version='1.0' encoding='x-no'?><a>Config\\TypePool</a>")])


def test_the_core_entries_are_those_of_magento_2_4_7() -> None:
    pool = load_core_type_pool()
    # 124 of TypePool, 5 of ExcludeList.
    assert len(pool.sensitive) == 129
    assert "payment/braintree/private_key" in pool.sensitive
    assert "carriers/ups/password" in pool.sensitive
    assert "web/unsecure/base_url" in pool.environment
    assert "catalog/search/engine" not in pool.sensitive | pool.environment
    assert pool.declared_in("carriers/ups/password") == "vendor/magento/module-ups/etc/di.xml"


def test_the_core_entries_can_be_those_of_some_modules_alone() -> None:
    pool = load_core_type_pool(frozenset({"Magento_Ups", "Acme_Kit"}))
    assert {path.split("/")[1] for path in pool.sensitive} == {"ups"}
    assert "carriers/ups/password" in pool.sensitive
    assert "web/unsecure/base_url" not in pool.environment
    assert load_core_type_pool(frozenset()).sensitive == frozenset()


def test_what_the_exclude_list_names_is_sensitive() -> None:
    name = "Magento\\Config\\Model\\Config\\Export\\ExcludeList"
    items = [("a/b/c", "1"), ("a/b/d", "0"), ("a/b/e", "false")]
    pool = read_type_pool([(NAME, di_xml("configs", *items, type_name=name))])
    # ExcludeList asks for a value that is not empty, and `false` is a text.
    assert pool.sensitive == {"a/b/c", "a/b/e"}


def test_an_item_without_a_value_leaves_the_value_that_is_there() -> None:
    first = (NAME, di_xml("sensitive", ("acme/kit/key", "1")))
    second = ("later/di.xml", di_xml("sensitive", ("acme/kit/key", "")))
    pool = read_type_pool([first, second])
    assert pool.sensitive == {"acme/kit/key"}
    assert pool.declared_in("acme/kit/key") == f"{NAME}:4"


def test_the_place_is_the_items_and_not_that_of_a_comment() -> None:
    content = (
        di_xml("sensitive", ("acme/kit/key", "1"))
        .replace(b'<item name="acme', b'<!-- "acme/kit/key" -->\n<item name=\'acme')
        .replace(b'key" xsi', b"key' xsi")
    )
    assert read_type_pool([(NAME, content)]).declared_in("acme/kit/key") == f"{NAME}:5"


def test_two_pools_join() -> None:
    own = read_type_pool([(NAME, di_xml("sensitive", ("acme/kit/key", "1")))])
    joined = load_core_type_pool() | own
    assert joined.sensitive == load_core_type_pool().sensitive | {"acme/kit/key"}
    assert joined.declared_in("acme/kit/key") == f"{NAME}:4"
