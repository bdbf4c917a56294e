"""`python -m consentry.app`: the command, where its script is not on the path."""

from __future__ import annotations

from consentry.app.main import main

if __name__ == "__main__":
    main()
