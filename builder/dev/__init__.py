"""Development systems: one stack of containers for each source tree, driven by docker compose."""
