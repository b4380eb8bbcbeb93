"""Run-time secrets: where they come from, what version they have, and how they reach a host."""
