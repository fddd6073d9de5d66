"""What a person should know about a clip that is dubbed; nothing here refuses anything."""

from fractions import Fraction

import numpy as np

from imtalker.dubbing.registration import SQUARE_CM, pixels_per_cm
from imtalker.dubbing.timing import MAX_YAW, Plan, lost_seconds
from imtalker.dubbing.tracking import FaceTrack
from imtalker.media.remark import Remark
from imtalker.media.video import VideoInfo

LARGE_SIDE = 1440  # pixels of the shorter side from which reading and writing take longer than drawing
FAST = 40.0  # frames per second; most clips have 24 to 30
SOFT, SMALL = 2.5, 0.6  # size of the face against what the networks draw: lips softer than the rest, hardly visible


def clip_remarks(info: VideoInfo, fps: Fraction) -> tuple[Remark, ...]:
    """By what the file says of itself: everything is kept, at a price."""
    remarks = []
    if min(info.height, info.width) > LARGE_SIDE:
        words = (
            f"the clip has {info.width}x{info.height} pixels, which are kept: reading and writing them takes longer "
            "than drawing. A copy in 1080p is much quicker"
        )
        remarks.append(Remark("large_clip", words, "note"))
    if fps > FAST:
        words = (
            f"the clip has {float(fps):.4g} frames a second, which are kept and drawn; with half of them it is quicker"
        )
        remarks.append(Remark("fast_clip", words, "note"))
    if info.is_hdr:
        words = "the clip is HDR; the result has the colours of a usual screen (BT.709)"
        remarks.append(Remark("hdr_clip", words, "note"))
    return tuple(remarks)


def plan_remarks(plan: Plan, clip_frames: int) -> tuple[Remark, ...]:
    """Where clip and speech differ in length."""
    if plan.total <= clip_frames:
        return ()
    clip, speech = clip_frames / plan.fps, plan.total / plan.fps
    words = (
        f"the speech lasts {float(speech):.1f} s and the clip {float(clip):.1f} s: the clip runs back and forth; "
        "a longer one looks more natural"
    )
    return (Remark("short_clip", words, "note"),)


def person_remarks(track: FaceTrack, people: int, side: int) -> tuple[Remark, ...]:
    """By the face as it was seen first.

    Args:
        track: of frames that show it.
        people: most faces seen in one frame.
        side: of the square the networks draw, pixels.
    """
    remarks = []
    if people > 1:
        words = f"{people} people are seen; one of them gets new lips, another can be chosen"
        remarks.append(Remark("more_faces", words, "note"))
    sizes = [pixels_per_cm(place) * SQUARE_CM for place in track.to_image]
    return (*remarks, *size_remarks(float(np.median(sizes)), side))


def lost_remarks(track: FaceTrack, fps: Fraction) -> tuple[Remark, ...]:
    """By the face that was followed through the frames that get a new mouth."""
    lost, turned, covered = lost_seconds(track, fps)
    remarks = []
    if lost:
        words = f"no face is seen for {lost:.1f} s; there the original is kept, faded in and out"
        remarks.append(Remark("lost_face", words))
    if turned:
        words = (
            f"the head is turned beyond {MAX_YAW:g} degrees for {turned:.1f} s; there the original is kept, "
            "faded in and out"
        )
        remarks.append(Remark("turned_face", words))
    if covered:
        words = f"something is before the mouth for {covered:.1f} s; there the original is kept, faded in and out"
        remarks.append(Remark("covered_mouth", words))
    return tuple(remarks)


def size_remarks(pixels: float, side: int = 256) -> tuple[Remark, ...]:
    """By the size of the face.

    Args:
        pixels: side of the square round the head in the clip.
        side: of the square the networks draw.
    """
    ratio = pixels / side
    if ratio > SOFT:
        words = f"the face is {ratio:.1f} times as large as what is drawn: lips and teeth look softer than the skin"
        return (Remark("soft_mouth", words),)
    if ratio < SMALL:
        words = "the face is small: little of its lips is seen. A clip that shows the head larger works best"
        return (Remark("small_face", words),)
    return ()
