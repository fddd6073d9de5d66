"""Measuring: face mesh, metrics as pure functions, evaluation protocols, the check of one result, speed."""
