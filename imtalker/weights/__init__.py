"""Weights: presets, files, the Hub, conversion of official checkpoints, loading all networks of a preset."""
