"""What a data patch that sets one configuration value is called and may do. Pure."""

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from builder.errors import ProjectFileError, TreeError
from builder.magento.shop_settings import ShopSettings
from builder.project.environment import SCOPE_CODE, SETTING_PATH

_CLASS_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODULE = re.compile(r"[A-Z][A-Za-z0-9]*_[A-Z][A-Za-z0-9]*")
_TABLES: Mapping[str, tuple[str, str]] = {
    "websites": ("store_website", "website_id"),
    "stores": ("store", "store_id"),
}
# PHP refuses these as names of classes, in any case.
# Source: https://www.php.net/manual/en/reserved.php
_RESERVED = frozenset(
    (
        *("abstract", "and", "array", "as", "bool", "break", "callable", "case", "catch", "class"),
        *("clone", "const", "continue", "declare", "default", "die", "do", "echo", "else"),
        *("elseif", "empty", "enum", "eval", "exit", "extends", "false", "final", "finally"),
        *("float", "fn", "for", "foreach", "function", "global", "goto", "if", "implements"),
        *("include", "instanceof", "insteadof", "int", "interface", "isset", "iterable", "list"),
        *("match", "mixed", "namespace", "never", "new", "null", "numeric", "object", "or"),
        *("parent", "print", "private", "protected", "public", "readonly", "require", "resource"),
        *("return", "self", "static", "string", "switch", "throw", "trait", "true", "try"),
        *("unset", "use", "var", "void", "while", "xor", "yield"),
    )
)


@dataclass(frozen=True, slots=True)
class DataPatch:
    """A class that sets one value, once, when the shop is upgraded.

    Attributes:
        namespace: e.g. `Acme\\Shop\\Setup\\Patch\\Data`.
        class_name: e.g. `SetWebSecureUseInFrontend`.
        file: where it lies, relative to the tree's root.
        path: the setting.
        value: what it is set to; Magento keeps text.
        scope: `default`, `websites` or `stores`.
        code: the website's or store view's; empty for `default`.
        table: the table that knows the code's number; empty for `default`.
        column: that number's column.
    """

    namespace: str
    class_name: str
    file: str
    path: str
    value: str
    scope: str
    code: str
    table: str
    column: str


def plan_patch(
    shop: ShopSettings,
    path: str,
    value: str,
    module: str,
    *,
    scope: str = "default",
    code: str = "",
    class_name: str | None = None,
) -> DataPatch:
    """Decide on a data patch, or say why there can be none.

    Raises:
        ProjectFileError: the path, the scope, the name or the value is not right.
        TreeError: the setting is sensitive or locked, or there is no such module.
    """
    if not SETTING_PATH.fullmatch(path):
        raise ProjectFileError(
            f"{path!r} is not a setting", where="PATH", hint="write it as section/group/field"
        )
    _check_value(value)
    _check_scope(shop, scope, code)
    _check_kind(shop, path, f"{scope}/{code}" if code else scope)
    directory = shop.modules.directories.get(module)
    if directory is None or not _MODULE.fullmatch(module):
        own = [name for name, at in shop.modules.directories.items() if _is_own(at)]
        raise TreeError(
            f"config.php enables no module {module} of this tree",
            where="--module",
            hint=f"name one of {', '.join(own)}" if own else "make a module in app/code first",
        )
    if not _is_own(directory):
        raise TreeError(
            f"{module} lies in {directory}, which Composer writes anew",
            where="--module",
            hint="name a module of the shop's own, e.g. in app/code",
        )
    name = class_name or name_patch(path, value, scope, code)
    if not _CLASS_NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise ProjectFileError(
            f"{name!r} is not the name of a PHP class", where="--name", hint="e.g. SetWelcomeText"
        )
    table, column = _TABLES.get(scope, ("", ""))
    return DataPatch(
        namespace="\\".join((*module.split("_"), "Setup", "Patch", "Data")),
        class_name=name,
        file=posixpath.join(directory, "Setup/Patch/Data", f"{name}.php"),
        path=path,
        value=value,
        scope=scope,
        code=code,
        table=table,
        column=column,
    )


def name_patch(path: str, value: str, scope: str = "default", code: str = "") -> str:
    """The class name of a patch: the same for the same setting, scope and value.

    Magento applies a class once (table patch_list), so another value needs another name.
    """
    words = re.findall(r"[A-Za-z0-9]+", path if scope == "default" else f"{path} {scope} {code}")
    exact = "\0".join((path, value, scope, code)).encode()
    # Words alone would be the same for a_b/c and a/b_c, and on a disk that ignores case.
    digest = hashlib.sha256(exact).hexdigest()[:8]
    return f"Set{''.join(word[0].upper() + word[1:] for word in words)[:80]}{digest.upper()}"


def _check_kind(shop: ShopSettings, path: str, scope: str) -> None:
    if shop.is_secret(path):
        raise TreeError(
            f"{path} is sensitive: a patch would put its value into git and the image",
            where=shop.declared_in(path) or shop.encrypted[path],
            hint=f"name it in environments/<name>.yaml: `{path}: {{secret: a-name}}`",
        )
    if shop.kind_of(path) == "system-specific":
        raise TreeError(
            f"{path} differs from system to system: a patch would give all the same",
            where=shop.declared_in(path),
            hint="give it in environments/<name>.yaml, under settings",
        )
    if locked := shop.locked.get((scope, path)):
        raise TreeError(
            f"config.php locks {path} ({scope}), so that the patch would change nothing",
            where=shop.config.file.name + f":{locked.line}",
            hint="change it there, or take it out first",
        )


def _check_scope(shop: ShopSettings, scope: str, code: str) -> None:
    if (scope == "default") != (not code):
        raise ProjectFileError(
            "--scope-code belongs to --scope websites and --scope stores, and to these alone",
            where="--scope-code",
            hint="e.g. `--scope stores --scope-code german`",
        )
    if code and not (SCOPE_CODE.fullmatch(code) and shop.has_scope(f"{scope}/{code}")):
        rows = shop.config.websites if scope == "websites" else shop.config.stores
        raise TreeError(
            f"config.php has no {code} among its {scope}",
            where=shop.config.where("scopes", scope),
            hint=f"there are: {', '.join(rows)}",
        )


def _check_value(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ProjectFileError(
            "the value is not UTF-8", where="VALUE", hint="write it as UTF-8 text"
        ) from None
    if "\0" in value:
        raise ProjectFileError("the value has a NUL character", where="VALUE", hint="remove it")


def _is_own(directory: str) -> bool:
    return not directory.startswith("vendor/")
