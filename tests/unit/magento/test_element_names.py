from typing import Literal

import pytest

from builder.magento.element_names import name_foreign_key, name_key

# As db_schema_whitelist.json of Magento 2.4.7-p3 has them.


@pytest.mark.parametrize(
    ("table", "columns", "kind", "name"),
    [
        ("sales_order", ["status"], "index", "SALES_ORDER_STATUS"),
        ("store_website", ["code"], "unique", "STORE_WEBSITE_CODE"),
        (
            "catalog_product_entity_media_gallery_value",
            ["entity_id", "value_id", "store_id"],
            "index",
            "CAT_PRD_ENTT_MDA_GLR_VAL_ENTT_ID_VAL_ID_STORE_ID",
        ),
        (
            "catalog_product_entity_tier_price",
            ["entity_id", "all_groups", "customer_group_id", "qty", "website_id"],
            "unique",
            "UNQ_E8AB433B9ACB00343ABB312AD2FAB087",
        ),
        (
            "cms_page",
            ["title", "meta_keywords", "meta_description", "identifier", "content"],
            "fulltext",
            "CMS_PAGE_TITLE_META_KEYWORDS_META_DESCRIPTION_IDENTIFIER_CONTENT",
        ),
        # A replica's keys are named after the table that it is swapped with.
        (
            "catalog_product_index_eav_replica",
            ["store_id"],
            "index",
            "CATALOG_PRODUCT_INDEX_EAV_STORE_ID",
        ),
    ],
)
def test_keys_are_named_as_magento_names_them(
    table: str, columns: list[str], kind: Literal["unique", "fulltext", "index"], name: str
) -> None:
    assert name_key(table, columns, kind) == name


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (
            ("store_group", "website_id", "store_website", "website_id"),
            "STORE_GROUP_WEBSITE_ID_STORE_WEBSITE_WEBSITE_ID",
        ),
        (
            (
                "catalog_product_super_attribute",
                "product_id",
                "catalog_product_entity",
                "entity_id",
            ),
            "CAT_PRD_SPR_ATTR_PRD_ID_CAT_PRD_ENTT_ENTT_ID",
        ),
        (
            (
                "catalog_product_super_attribute_label",
                "product_super_attribute_id",
                "catalog_product_super_attribute",
                "product_super_attribute_id",
            ),
            "FK_309442281DF7784210ED82B2CC51E5D5",
        ),
    ],
)
def test_foreign_keys_are_named_as_magento_names_them(
    arguments: tuple[str, str, str, str], name: str
) -> None:
    assert name_foreign_key(*arguments) == name


def test_names_fit_the_database() -> None:
    assert len(name_key("t" * 60, ["c" * 60], "index")) == len("IDX_") + 32
