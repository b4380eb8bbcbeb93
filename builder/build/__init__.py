"""From a plan to an image in a registry: the place where BuildKit and the registry are driven."""
