"""The catalogues of bad inputs and of faults: rows, the cases that run them, and a command."""
