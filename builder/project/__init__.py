"""What the user wrote: kiln.yaml as a validated, frozen model, and the source tree as it lies."""
