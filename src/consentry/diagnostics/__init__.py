"""What is wrong, where, and what to try: spans, sources, codes, rendering, suggestions."""
