"""Metrics, logs and audit: every name defined once."""
