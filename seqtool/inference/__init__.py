"""What a trained run is for: predicting and being evaluated. No Lightning, and no data but what the run holds."""
