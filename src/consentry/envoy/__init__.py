"""What a proxy speaks to us: generated from proto/consentry/envoy, checked in, never edited."""
