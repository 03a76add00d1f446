"""Verification of published numbers: claims, their runs, and verdicts."""
