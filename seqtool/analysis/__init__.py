"""Looking at runs: reads run directories only; no torch, no model."""
