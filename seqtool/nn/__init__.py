"""What composes parts: attention and the model."""
