"""Events as rows of files: NDJSON and CSV of our own, both ways."""
