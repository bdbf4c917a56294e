"""What `consentry ledger` does: keeping, checking and moving what people decided."""
