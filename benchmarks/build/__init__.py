"""One shop built with Kiln and with what is used today, after the changes that a day brings.

Each tool gets the same tree, the same PHP and Composer, and a registry of the benchmark's own.
"""
