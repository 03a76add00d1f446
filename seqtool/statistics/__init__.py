"""Statistics of examples and of seeds, in numpy."""
