"""One verb of the command line each: `build_parser()` and `run(options) -> int`."""
