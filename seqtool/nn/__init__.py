"""Modules that compose parts: attention, bridge and model."""
