"""Quantities in words. Pure."""


def human_bytes(count: int) -> str:
    """`12.3 MB`, in powers of ten as registries count."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"
