"""Training with PyTorch Lightning. No other package imports Lightning."""
