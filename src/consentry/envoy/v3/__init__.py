"""Envoy's external authorization API, the part that we speak."""
