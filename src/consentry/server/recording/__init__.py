"""Consent that comes in over HTTP: files of rows, and signed messages of other systems."""
