"""Several worker processes behind one address: a parent that writes, workers that answer."""
