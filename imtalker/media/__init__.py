"""Files <-> arrays: portraits, speech, driving clips, the face crop, the finished video; no network here."""
