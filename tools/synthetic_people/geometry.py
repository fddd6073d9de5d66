"""Small geometry shared by the synthetic-people engine: turning points, cameras, normals. All arrays are numpy."""

import numpy as np

Array = np.ndarray


def normalize(vectors: Array) -> Array:
    """Unit vectors along the last axis."""
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)


def rotate_weighted(points: Array, weights: Array, rotvec: Array, pivot: Array) -> Array:
    """Rotate every point (N,3) about ``pivot`` by its own share ``weights`` (N,) of the rotation (Rodrigues)."""
    angle = np.linalg.norm(rotvec)
    if angle < 1e-9:
        return points
    axis = rotvec / angle
    share = (angle * weights)[:, None]
    rel = points - pivot
    cos, sin = np.cos(share), np.sin(share)
    turned = rel * cos + np.cross(axis, rel) * sin + axis * (rel @ axis)[:, None] * (1 - cos)
    return (turned + pivot).astype(np.float32)


def look_at(eye: Array, target: Array, up: tuple[float, float, float] = (0, 1, 0)) -> Array:
    """(4,4) view matrix of a camera at ``eye`` that looks at ``target``."""
    back = normalize(np.asarray(eye, float) - np.asarray(target, float))
    right = normalize(np.cross(up, back))
    view = np.eye(4)
    view[0, :3], view[1, :3], view[2, :3] = right, np.cross(back, right), back
    view[:3, 3] = -view[:3, :3] @ np.asarray(eye, float)
    return view


def perspective(fov_y: float, aspect: float, near: float, far: float) -> Array:
    """(4,4) OpenGL perspective projection; ``fov_y`` in radians."""
    scale = 1 / np.tan(fov_y / 2)
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[1, 1] = scale / aspect, scale
    matrix[2, 2], matrix[2, 3] = (far + near) / (near - far), 2 * far * near / (near - far)
    matrix[3, 2] = -1
    return matrix


def orthographic(half_size: float, near: float, far: float) -> Array:
    """(4,4) OpenGL orthographic projection of a square window."""
    matrix = np.eye(4)
    matrix[0, 0] = matrix[1, 1] = 1 / half_size
    matrix[2, 2], matrix[2, 3] = -2 / (far - near), -(far + near) / (far - near)
    return matrix


def vertex_normals(points: Array, triangles: Array) -> Array:
    """Area-weighted unit normals (N,3)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros((len(points), 3))
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], face[:, axis], len(points))
    return normalize(normals)


def triangle_frames(points: Array, triangles: Array) -> Array:
    """(M,3,3) orthonormal frame of every triangle, columns: first edge, in-plane, normal."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    edge = normalize(b - a)
    normal = normalize(np.cross(b - a, c - a))
    return np.stack([edge, np.cross(normal, edge), normal], -1)


def bump(points: Array, centre: tuple[float, float, float], sigma: tuple[float, float, float]) -> Array:
    """Gaussian of the distance to ``centre`` with one sigma per axis; 1 at the centre."""
    scaled = (points - np.array(centre, np.float32)) / np.array(sigma, np.float32)
    return np.exp(-0.5 * (scaled * scaled).sum(-1))


def mirrored_bump(points: Array, centre: tuple[float, float, float], sigma: tuple[float, float, float]) -> Array:
    """``bump`` on both sides of the face."""
    return bump(points, centre, sigma) + bump(points, (-centre[0], centre[1], centre[2]), sigma)
