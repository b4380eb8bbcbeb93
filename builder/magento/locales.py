"""The locales that Magento accepts."""

import difflib
import functools

from builder.magento.tables import read_table


@functools.cache
def load_locales() -> tuple[str, ...]:
    """All locale codes, e.g. `de_DE` and `zh_Hans_CN`, sorted."""
    return tuple(read_table("locales.yaml")["locales"])


def is_locale(code: str) -> bool:
    """Whether Magento accepts a locale code; case matters, as it does for Magento."""
    return code in load_locales()


def nearest_locales(code: str) -> list[str]:
    """Up to three locale codes that look like a mistyped one, the nearest first."""
    # `de-de`, `de_de` and `DE_DE` mean de_DE: compare without case and separators.
    wanted = code.replace("-", "_").lower()
    plain = {locale.lower(): locale for locale in load_locales()}
    near = difflib.get_close_matches(wanted, plain, n=3, cutoff=0.6)
    same_language = [name for name in plain if name.split("_")[0] == wanted.split("_")[0]]
    return [plain[name] for name in near or same_language[:3]]
