"""The feed and the lease of thousands of sidecars in virtual time."""
