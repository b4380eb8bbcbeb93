"""Releases on a host: the state on it, the steps, and the order in which they are done."""
