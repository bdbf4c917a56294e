"""Program + request + consent view -> decision with reasons. Pure and synchronous."""
