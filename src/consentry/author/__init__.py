"""What policy authors run: policy tests and single evaluations."""
