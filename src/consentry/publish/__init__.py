"""What the policies and the ledger mean, for people: pages and records."""
