"""Dubbing: the same head, eyes and background of a video with a new mouth for new speech.

One pass over the clip follows the face (``tracking``), a second one draws (``dub``). What draws a mouth is a
``MouthEngine`` (``engine``); everything round it (time, lips from speech, references, blending) is the same for all.
"""
