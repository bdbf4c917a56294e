"""The decision log: opened for a sidecar, asked and replayed from the command line."""
