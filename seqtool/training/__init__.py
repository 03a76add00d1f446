"""Training through Lightning; the only package that imports it."""
