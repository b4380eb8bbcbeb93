"""The commands: parse, call, print. No logic, and the only place that reads the environment."""
