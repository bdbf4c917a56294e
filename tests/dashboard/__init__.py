"""The dashboard as a picture: `python -m tests.dashboard` draws docs/images/dashboard.svg anew."""
