"""Speech with phoneme times for training: voices, alignment, augmentation, corpora."""
