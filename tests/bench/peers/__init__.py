"""Other engines on the same work: fetched from the package registries, checked, then timed."""
