"""What happens during a run: jobs, the GPU function, files, pieces to watch, comparison."""
