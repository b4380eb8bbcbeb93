"""The build host: what is on it, what is missing, and setting it up."""
