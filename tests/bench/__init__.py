"""Benchmarks: ratios measured side by side in one run; `./dev bench --help` tells how."""
