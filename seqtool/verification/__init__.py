"""Published numbers held against what recipes reach: a claim, its runs, a verdict."""
