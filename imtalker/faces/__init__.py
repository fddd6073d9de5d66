"""Faces in pictures: landmarks, what they say (pose, gaze, lips, lids), identity."""
