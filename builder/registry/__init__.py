"""OCI registries: names, logins, pushing, reading, and what hangs beside an image.

Protocol: OCI distribution-spec 1.1; names, logins and loopback registries as the docker client
has them. `client.py` is what the rest of Kiln calls.
"""
