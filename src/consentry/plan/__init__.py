"""Which people a job may touch: one question about everybody, as a filter and as SQL."""
