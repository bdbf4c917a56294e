"""The ledger: event log, store, resolver from events to effective consent."""
