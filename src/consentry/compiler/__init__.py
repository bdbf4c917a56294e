"""Tree to program: resolve names, check types and polarity, lint, lower, index. Pure."""
