"""Plans of runs, jobs (one seed of one variant each), and the launchers that run jobs."""
