"""Jobs (one seed of one variant each) and the launchers that run them."""
