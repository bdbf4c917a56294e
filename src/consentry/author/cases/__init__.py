"""All cases that a policy set can tell apart: what rules read, which values matter, together."""
