"""Kiln builds Magento 2 shops into one immutable container image."""

__version__ = "0.1.0"
