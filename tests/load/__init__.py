"""Measures a shop from outside while it is changed: load, and what became of each request.

`python -m tests.load PLAN OUT` runs a plan in a process of its own; process.py does so for tests
and benchmarks, count.py counts in the shop's database afterwards.
"""
