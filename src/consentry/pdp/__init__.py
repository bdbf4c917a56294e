"""The decision point: policy sources, current snapshot, reload, answer cache, batches."""
