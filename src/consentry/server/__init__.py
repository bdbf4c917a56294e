"""gRPC and HTTP doors: decode, limit, call the decision point, map errors; health; lifecycle."""
