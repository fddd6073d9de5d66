"""Speed and memory of the pipeline: stages, curves, tables."""
