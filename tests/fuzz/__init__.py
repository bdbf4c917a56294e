"""Fuzz targets: bytes go in, and nothing but an answer or a typed error may come out."""
