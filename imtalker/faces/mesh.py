"""Landmark numbers of the MediaPipe face mesh, once: lips, lids, brows, irises, outline, stable points.

"Right" is the person's right, which is the image's left. Lines run from the image's left to its right.
"""

import numpy as np

NUM_FACE = 468  # vertices of the skin; the irises follow
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
EYE_R_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
EYE_R_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
EYE_L_UPPER = (362, 398, 384, 385, 386, 387, 388, 466, 263)
EYE_L_LOWER = (362, 382, 381, 380, 374, 373, 390, 249, 263)
EYES = ((EYE_R_UPPER, EYE_R_LOWER), (EYE_L_UPPER, EYE_L_LOWER))
EYE_CORNERS = ((33, 133), (362, 263))
OUTER_EYE_CORNERS = (33, 263)
# Rings round the eyes, a point beside each of the lids': under the brow, and below the lower lid.
EYE_R_ABOVE = (130, 113, 225, 224, 223, 222, 221, 189, 243)
EYE_R_BELOW = (130, 25, 110, 24, 23, 22, 26, 112, 243)
EYE_L_ABOVE = (463, 413, 441, 442, 443, 444, 445, 342, 359)
EYE_L_BELOW = (463, 341, 256, 252, 253, 254, 339, 255, 359)
EYE_RINGS = ((EYE_R_ABOVE, EYE_R_BELOW), (EYE_L_ABOVE, EYE_L_BELOW))
IRIS_R = (468, 469, 470, 471, 472)  # centre first
IRIS_L = (473, 474, 475, 476, 477)
IRISES = (IRIS_R, IRIS_L)
LIP_INNER_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LIP_INNER_LOWER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LIP_OUTER_UPPER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LIP_OUTER_LOWER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
LIPS = tuple(sorted({*LIP_INNER_UPPER, *LIP_INNER_LOWER, *LIP_OUTER_UPPER, *LIP_OUTER_LOWER}))
MOUTH_CORNERS = (61, 291)
NOSE_TIP = 4
CHIN = 152
BROW_R = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55)  # upper row outer..inner, lower row outer..inner
BROW_L = (300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
# vertices that hardly move with expression: forehead, temples, nose, eye corners, upper cheeks
RIGID = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 234, 127, 162, 21, 54, 103, 67, 109, 151, 9, 8, 168, 6, 197, 195, 5,
    4, 1, 19, 94, 2, 98, 327, 33, 133, 362, 263, 129, 358, 48, 278, 116, 345, 123, 352, 117, 346, 118, 347, 50, 280,
    108, 337, 69, 299, 104, 333, 68, 298,
)  # fmt: skip
RIGID_WEIGHTS = np.bincount(RIGID, minlength=NUM_FACE) / len(RIGID)  # (468,) for rigid fits, sums to 1


def closed_loop(upper: tuple[int, ...], lower: tuple[int, ...]) -> list[int]:
    """Boundary of a hole: along ``upper``, back along ``lower``."""
    return list(upper) + list(lower[1:-1])[::-1]
