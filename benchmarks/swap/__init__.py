"""One shop brought from one image to another under load: what each tool costs its visitors.

Each tool gets the same images, the same database, cache and proxy, and the same load.
"""
