"""The tests; a package so that runners such as `python -m tests.bench` can be called."""
