"""One Catmull-Clark step of a quad mesh as a sparse matrix (Catmull and Clark 1978), boundaries as cubic splines."""

import numpy as np
from scipy import sparse

from tools.synthetic_people.geometry import Array


def catmull_clark(num_vertices: int, quads: Array, corner_uv: Array) -> tuple[sparse.csr_matrix, Array, Array]:
    """Subdivide once.

    Args: ``quads`` (F,4) vertex indices, ``corner_uv`` (F,4,2) texture coordinates, subdivided linearly.
    Returns the matrix (V + E + F, V) from old to new vertices, the quads (4F,4) and their corner uv (4F,4,2).
    """
    num_faces = len(quads)
    edges = np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2)
    unique, edge_of, count = np.unique(np.sort(edges, 1), axis=0, return_inverse=True, return_counts=True)
    num_edges = len(unique)
    edge_of = edge_of.reshape(num_faces, 4)
    face_of = np.repeat(np.arange(num_faces), 4)
    boundary = count == 1

    def incidence(rows: Array, columns: Array, shape: tuple[int, int], value: float = 1.0) -> sparse.csr_matrix:
        return sparse.csr_matrix((np.full(len(rows), value), (rows, columns)), shape)

    face_point = incidence(face_of, quads.ravel(), (num_faces, num_vertices), 0.25)
    edge_faces = incidence(edge_of.ravel(), face_of, (num_edges, num_faces))
    ends = np.repeat(np.arange(num_edges), 2)
    midpoint = incidence(ends, unique.ravel(), (num_edges, num_vertices), 0.5)
    edge_point = sparse.diags(np.where(boundary, 1, 0.5)) @ midpoint
    edge_point = edge_point + sparse.diags(np.where(boundary, 0, 0.25)) @ (edge_faces @ face_point)

    valence = np.bincount(unique.ravel(), minlength=num_vertices).astype(float)
    on_boundary = np.zeros(num_vertices, bool)
    on_boundary[unique[boundary].ravel()] = True
    vertex_faces = incidence(quads.ravel(), face_of, (num_vertices, num_faces))
    vertex_edges = incidence(unique.ravel(), ends, (num_vertices, num_edges))
    faces_at = np.maximum(np.asarray(vertex_faces.sum(1)).ravel(), 1)
    edges_at = np.maximum(valence, 1)
    mean_face = sparse.diags(1 / faces_at) @ vertex_faces @ face_point
    mean_edge = sparse.diags(1 / edges_at) @ vertex_edges @ midpoint
    weight = sparse.diags(1 / edges_at)
    interior = weight @ mean_face + 2 * weight @ mean_edge + sparse.diags((edges_at - 3) / edges_at)
    boundary_edges = vertex_edges @ sparse.diags(boundary.astype(float))
    boundary_at = np.maximum(np.asarray(boundary_edges.sum(1)).ravel(), 1)
    rim = sparse.diags(0.5 / boundary_at) @ boundary_edges @ midpoint + 0.5 * sparse.identity(num_vertices)
    used = valence > 0
    vertex_point = sparse.diags((used & ~on_boundary).astype(float)) @ interior
    vertex_point = vertex_point + sparse.diags((used & on_boundary).astype(float)) @ rim
    matrix = sparse.csr_matrix(sparse.vstack([vertex_point, edge_point, face_point]))

    edge_index = num_vertices + edge_of
    face_index = num_vertices + num_edges + np.arange(num_faces)
    uv_edge = 0.5 * (corner_uv + np.roll(corner_uv, -1, 1))
    uv_face = corner_uv.mean(1)
    new_quads = [np.stack([quads[:, k], edge_index[:, k], face_index, edge_index[:, k - 1]], 1) for k in range(4)]
    new_uv = [np.stack([corner_uv[:, k], uv_edge[:, k], uv_face, uv_edge[:, k - 1]], 1) for k in range(4)]
    return matrix, np.concatenate(new_quads), np.concatenate(new_uv)
