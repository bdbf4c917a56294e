"""Frozen values that every room shares. Pure: no I/O, no clock of its own."""
