"""Jobs, each one seed of one variant, and where they run."""
