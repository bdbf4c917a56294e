"""Command line, settings and wiring: the only room that constructs things."""
