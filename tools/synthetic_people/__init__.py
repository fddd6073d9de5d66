"""Synthetic people with exact labels: sample portraits, driving clips and training pictures. See README.md."""
