"""Load a trained run, predict with it and evaluate it; without Lightning."""
