"""The decision log: records, keys, sinks, and the reader that finds them again."""
