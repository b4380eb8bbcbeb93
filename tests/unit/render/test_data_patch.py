from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from builder.magento.data_patch import DataPatch, plan_patch
from builder.magento.php_array import read_php_file
from builder.render.data_patch import render_data_patch
from tests.unit.conftest import Golden
from tests.unit.shops import make_shop


def test_a_patch_for_all_websites(golden: Golden, tmp_path: Path) -> None:
    value = 'it\'s $a \\ "b" ?> <?php {{ 7*7 }}\nGrüße'
    patch = plan_patch(make_shop(tmp_path), "acme/text/welcome", value, "Acme_Shop")
    golden.check("patch/default.php", render_data_patch(patch))


def test_a_patch_for_one_store_view(golden: Golden, tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    patch = plan_patch(shop, "acme/text/welcome", "1", "Acme_Shop", scope="stores", code="german")
    golden.check("patch/store.php", render_data_patch(patch))


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_value_is_quoted_so_that_php_has_it_back(value: str) -> None:
    patch = DataPatch("A\\B", "C", "C.php", "a/b/c", value, "default", "", "", "")
    text = render_data_patch(patch)
    call = "$this->writer->save("
    literals = text[text.index(call) + len(call) : text.rindex(");\n\n        return $this;")]
    read = read_php_file(f"<?php return [{literals}];".encode(), "patch.php").value
    assert read == {0: "a/b/c", 1: value}
