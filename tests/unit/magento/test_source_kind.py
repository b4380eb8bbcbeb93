import pytest

from builder.magento.source_kind import kind_of


@pytest.mark.parametrize(
    "path",
    [
        "app/code/Acme/Kit/view/frontend/templates/kit.phtml",
        "app/code/Acme/Kit/view/frontend/layout/default.xml",
        "app/code/Acme/Kit/view/adminhtml/ui_component/kit_listing.xml",
        "app/code/Acme/Kit/view/frontend/email/order.html",
        "app/design/frontend/Acme/shop/Magento_Theme/layout/default.xml",
        "vendor/magento/theme-frontend-luma/Magento_Checkout/page_layout/checkout.xml",
        "vendor/magento/module-ui/view/base/ui_component/etc/definition.xsd",
    ],
)
def test_neither_compilation_nor_deployment_reads(path: str) -> None:
    assert kind_of(path) == "template"


@pytest.mark.parametrize(
    "path",
    [
        "app/code/Acme/Kit/view/frontend/requirejs-config.js",
        "app/code/Acme/Kit/view/frontend/web/templates/item.html",
        "app/code/Acme/Kit/view/base/web/data.json",
        "app/code/Acme/Kit/i18n/de_DE.csv",
        "app/design/frontend/Acme/shop/web/css/source/_extend.less",
        "app/design/frontend/Acme/shop/web/tailwind/tailwind.config.js",
        "app/design/frontend/Acme/shop/media/preview.jpg",
        "app/i18n/acme/de_de/de_DE.csv",
        "vendor/magento/theme-frontend-luma/web/css/email.less",
        "vendor/magento/language-de_de/de_DE.csv",
        "vendor/magento/language-zh_hans_cn/zh_Hans_CN.csv",
        "lib/web/fonts/selection.json",
        "lib/web/mage/calendar.js",
        "pub/errors/default/css/styles.css",
        "vendor/acme/kit/src/view/frontend/web/LOGO.PNG",
    ],
)
def test_deployment_reads_besides_code(path: str) -> None:
    assert kind_of(path) == "view"


@pytest.mark.parametrize(
    "path",
    [
        "app/code/Acme/Kit/Model/Kit.php",
        "app/code/Acme/Kit/view/frontend/templates/kit.php",
        "app/code/Acme/Kit/etc/di.xml",
        "app/code/Acme/Kit/etc/frontend/di.xml",
        "app/code/Acme/Kit/etc/schema.graphqls",
        "app/code/Acme/Kit/etc/view.xml",
        "app/code/Acme/Kit/registration.php",
        "app/code/Acme/Kit/composer.json",
        "app/code/Acme/Kit/fixtures/products.csv",
        "app/design/frontend/Acme/shop/theme.xml",
        "app/design/frontend/Acme/shop/registration.php",
        "app/design/frontend/Acme/shop/etc/view.xml",
        "app/i18n/acme/de_de/language.xml",
        "app/etc/config.php",
        "bin/magento",
        "composer.lock",
        "vendor/magento/theme-frontend-luma/theme.xml",
        "vendor/magento/framework/Webapi/etc/webapi.xsd",
        "vendor/aws/aws-sdk-php/src/data/s3/api-2.json",
        "vendor/acme/kit/LICENSE",
        "patches/fix.patch",
        "lib/web/odd.php",
    ],
)
def test_compilation_may_read(path: str) -> None:
    assert kind_of(path) == "code"
