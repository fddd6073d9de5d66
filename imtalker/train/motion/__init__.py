"""Training data of the motion generator: control tracks of talking heads, clips, scores."""
