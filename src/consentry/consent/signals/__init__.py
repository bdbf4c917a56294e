"""Signals that others write: TC strings, GPP strings and Sec-GPC, read and turned into events."""
