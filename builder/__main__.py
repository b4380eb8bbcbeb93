"""`python -m builder` is `kiln`."""

from builder.cli.main import main

main()
