"""The OpenGL side (moderngl on EGL, software or GPU): buffers, one shadow map, one forward pass, tone mapping."""

from collections.abc import Mapping, Sequence
from ctypes.util import find_library
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import cv2
import moderngl
import numpy as np

from imtalker.errors import ImTalkerError
from tools.synthetic_people import shaders
from tools.synthetic_people.geometry import Array, look_at, normalize, orthographic, perspective

Material = Literal["skin", "eye", "textured", "cloth", "ribbon"]
# cheap occluders first: they save skin fragments
DRAW_ORDER = ("hair", "beard", "brow", "lash", "cloth")
SHADOW_UNIT = 7
PROBE_SIZE = 512  # pixels of the depth maps for ambient occlusion


class GraphicsError(ImTalkerError):
    """This machine cannot make an OpenGL context."""


def egl_installed() -> bool:
    """Whether the system has the library that gives an OpenGL context without a display."""
    return find_library("EGL") is not None


class Mesh(NamedTuple):
    vertices: moderngl.Buffer
    indices: moderngl.Buffer
    colour_pass: moderngl.VertexArray
    depth_pass: moderngl.VertexArray
    size: int  # bytes of the vertex buffer
    material: Material


@dataclass(frozen=True)
class Draw:
    """One mesh of a frame with its uniforms and textures (sampler name -> texture name)."""

    mesh: str
    uniforms: Mapping[str, object]
    textures: Mapping[str, str] = field(default_factory=dict)
    casts_shadow: bool = False


class View(NamedTuple):
    """A camera: positions in dm, vertical field of view in radians."""

    eye: Array
    target: Array
    fov_y: float


class Rasterizer:
    """An image of ``width`` x ``height`` pixels, rendered ``supersample`` times larger and averaged down."""

    def __init__(self, width: int, height: int, supersample: int = 2, shadow_size: int = 1024) -> None:
        if not egl_installed():
            raise GraphicsError("libEGL is not installed: install the system packages libegl1 and libgl1-mesa-dri")
        self.context = context = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[call-arg]
        self.width, self.height = width, height
        self.wide, self.high = width * supersample, height * supersample
        self._hdr = context.texture((self.wide, self.high), 4, dtype="f2")
        self._hdr.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        self._scene = context.framebuffer([self._hdr], context.depth_renderbuffer((self.wide, self.high)))
        self._final = context.framebuffer([context.texture((self.wide, self.high), 4)])
        self._shadow, self._shadow_target = self._depth_target(shadow_size)
        self._probe, self._probe_target = self._depth_target(PROBE_SIZE)
        sources = {
            "skin": (shaders.MESH_VERTEX, shaders.SKIN),
            "eye": (shaders.MESH_VERTEX, shaders.EYE),
            "textured": (shaders.MESH_VERTEX, shaders.TEXTURED),
            "cloth": (shaders.MESH_VERTEX, shaders.CLOTH),
            "ribbon": (shaders.RIBBON_VERTEX, shaders.RIBBON),
            "background": (shaders.SCREEN_VERTEX, shaders.BACKGROUND),
            "tone": (shaders.SCREEN_VERTEX, shaders.TONE),
            "mesh_depth": (shaders.MESH_VERTEX, shaders.NOTHING),
            "ribbon_depth": (shaders.RIBBON_DEPTH_VERTEX, shaders.NOTHING),
            "uv": (shaders.UV_VERTEX, shaders.UV_POSITION),
        }
        self._programs = {
            name: context.program(vertex_shader=vertex, fragment_shader=fragment)
            for name, (vertex, fragment) in sources.items()
        }
        corners = context.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], np.float32).tobytes())
        self._background_quad = context.vertex_array(self._programs["background"], [(corners, "2f", "corner")])
        self._tone_quad = context.vertex_array(self._programs["tone"], [(corners, "2f", "corner")])
        self._textures: dict[str, moderngl.Texture] = {}
        self.meshes: dict[str, Mesh] = {}

    def _depth_target(self, size: int) -> tuple[moderngl.Texture, moderngl.Framebuffer]:
        texture = self.context.depth_texture((size, size))
        texture.compare_func = ""
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        return texture, self.context.framebuffer(depth_attachment=texture)

    def set_texture(self, name: str, image: Array, mipmaps: bool = True) -> None:
        """Upload (H,W,C) uint8, float16 or float32; the first row is v = 0."""
        image = np.ascontiguousarray(image)
        height, width = image.shape[:2]
        dtype = {"uint8": "f1", "float16": "f2", "float32": "f4"}[str(image.dtype)]
        if name in self._textures:
            self._textures[name].release()
        texture = self.context.texture((width, height), image.shape[2], image.tobytes(), dtype=dtype, alignment=1)
        if mipmaps:
            texture.build_mipmaps()
            texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
            texture.anisotropy = 4
        self._textures[name] = texture

    def set_mesh(self, name: str, material: Material, vertices: Array, indices: Array | None = None) -> None:
        """Upload a mesh, or only its vertices where ``indices`` is None and the size is unchanged.

        Vertices: (N,12) position, normal, uv, extra; for ribbons (N,10) position, tangent, ribbon.
        """
        data = np.ascontiguousarray(vertices, np.float32).tobytes()
        mesh = self.meshes.get(name)
        if mesh is not None and indices is None and mesh.size == len(data):
            mesh.vertices.write(data)
            return
        if indices is None:
            raise ValueError(f"mesh {name} has no indices yet, or its size changed: pass them")
        self.drop_mesh(name)
        buffer = self.context.buffer(data)
        index = self.context.buffer(np.ascontiguousarray(indices, np.int32).tobytes())
        layout = {"position": 3, "normal": 3, "uv": 2, "extra": 4}
        depth = "mesh_depth"
        if material == "ribbon":
            layout, depth = {"position": 3, "tangent": 3, "ribbon": 4}, "ribbon_depth"
        colour_pass = self._vertex_array(material, layout, buffer, index)
        depth_pass = self._vertex_array(depth, layout, buffer, index)
        self.meshes[name] = Mesh(buffer, index, colour_pass, depth_pass, len(data), material)

    def _vertex_array(
        self, program: str, layout: Mapping[str, int], buffer: moderngl.Buffer, index: moderngl.Buffer
    ) -> moderngl.VertexArray:
        """Attributes that a program does not read are skipped as padding."""
        members = self._programs[program]
        present = [name for name in layout if name in members]
        formats = [f"{n}f" if name in members else f"{4 * n}x" for name, n in layout.items()]
        return self.context.vertex_array(members, [(buffer, " ".join(formats), *present)], index)

    def drop_mesh(self, name: str) -> None:
        """Free a mesh if it exists."""
        mesh = self.meshes.pop(name, None)
        if mesh is not None:
            for part in (mesh.colour_pass, mesh.depth_pass, mesh.vertices, mesh.indices):
                part.release()

    def _set_uniforms(self, program: str, values: Mapping[str, object]) -> None:
        members = self._programs[program]
        for name, value in values.items():
            if name not in members:
                continue
            array = np.asarray(value, np.float32)
            uniform = members[name]
            assert isinstance(uniform, moderngl.Uniform)
            if array.ndim == 2:
                uniform.write(np.ascontiguousarray(array.T).tobytes())
            else:
                uniform.value = tuple(float(x) for x in array) if array.ndim == 1 else float(array)

    def _set_sampler(self, program: str, name: str, unit: int) -> None:
        uniform = self._programs[program][name]
        assert isinstance(uniform, moderngl.Uniform)
        uniform.value = unit

    def uv_positions(self, positions: Array, uv: Array, triangles: Array, size: int) -> Array:
        """(size,size,4) map from texture coordinates to rest position; the last channel is 1 where there is skin."""
        texture = self.context.texture((size, size), 4, dtype="f4")
        target = self.context.framebuffer([texture])
        target.use()
        target.clear(0, 0, 0, 0)
        self.context.disable(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        buffer = self.context.buffer(np.concatenate([positions, uv], 1).astype(np.float32).tobytes())
        index = self.context.buffer(triangles.astype(np.int32).tobytes())
        array = self.context.vertex_array(self._programs["uv"], [(buffer, "3f 2f", "position", "uv")], index)
        array.render()
        return np.frombuffer(texture.read(), np.float32).reshape(size, size, 4)

    def depth_from(self, mesh: str, direction: Array, centre: Array, half_size: float) -> tuple[Array, Array]:
        """Orthographic depth map (n,n) of one mesh seen from ``direction``, and its (4,4) view-projection."""
        up = (0, 1, 0.01) if abs(direction[1]) < 0.95 else (1, 0, 0)
        matrix = orthographic(half_size, 3, 13) @ look_at(centre + direction * 8, centre, up)
        self._probe_target.use()
        self.context.enable(moderngl.DEPTH_TEST)
        self._probe_target.clear(depth=1.0)
        self._set_uniforms("mesh_depth", {"view_projection": matrix})
        self.meshes[mesh].depth_pass.render()
        return np.frombuffer(self._probe.read(), np.float32).reshape(PROBE_SIZE, PROBE_SIZE), matrix

    def render(
        self,
        draws: Sequence[Draw],
        view: View,
        lights: Mapping[str, Array],
        shadow_centre: Array,
        tone: Mapping[str, object],
    ) -> tuple[Array, Array]:
        """One frame: uint8 (height,width,3) and the (4,4) view-projection matrix."""
        context = self.context
        view_projection = perspective(view.fov_y, self.width / self.height, 2, 90) @ look_at(view.eye, view.target)
        lamps = {k: normalize(np.asarray(v, float)) if k.endswith("_dir") else v for k, v in lights.items()}
        sun = shadow_centre + lamps["key_dir"] * 8
        shadow_matrix = orthographic(2.3, 3, 13) @ look_at(sun, shadow_centre, (0, 1, 0.01))
        self._shadow_target.use()
        context.enable(moderngl.DEPTH_TEST)
        self._shadow_target.clear(depth=1.0)
        for draw in draws:
            if not draw.casts_shadow:
                continue
            mesh = self.meshes[draw.mesh]
            program = "ribbon_depth" if mesh.material == "ribbon" else "mesh_depth"
            light_view = {"view_projection": shadow_matrix, "camera": sun, "min_width": 0, "width_scale": 2.2}
            self._set_uniforms(program, {**draw.uniforms, **light_view})
            count = mesh.indices.size // 4
            # a sixth of the hair, drawn wider, casts the same shadow
            mesh.depth_pass.render(vertices=count // 36 * 6 if draw.mesh == "hair" else count)
        self._scene.use()
        self._scene.clear(0, 0, 0, 1, depth=1.0)
        self._textures["background"].use(0)
        self._set_sampler("background", "image", 0)
        context.disable(moderngl.DEPTH_TEST)
        self._background_quad.render(moderngl.TRIANGLE_STRIP)
        context.enable(moderngl.DEPTH_TEST)
        context.depth_func = "<="
        self._shadow.use(SHADOW_UNIT)
        shared = {
            "view_projection": view_projection,
            "camera": view.eye,
            "shadow_matrix": shadow_matrix,
            "min_width": 2 * np.tan(view.fov_y / 2) / self.high,
            "width_scale": 1,
            **lamps,
        }
        rank = {name: i for i, name in enumerate(DRAW_ORDER)}
        for draw in sorted(draws, key=lambda d: rank.get(d.mesh, len(rank))):
            mesh = self.meshes[draw.mesh]
            self._set_uniforms(mesh.material, {**shared, **draw.uniforms})
            self._set_sampler(mesh.material, "shadow_map", SHADOW_UNIT)
            for unit, (sampler, texture) in enumerate(draw.textures.items()):
                self._textures[texture].use(unit)
                self._set_sampler(mesh.material, sampler, unit)
            mesh.colour_pass.render()
        self._hdr.build_mipmaps()
        self._final.use()
        context.disable(moderngl.DEPTH_TEST)
        self._hdr.use(0)
        self._set_sampler("tone", "image", 0)
        self._set_uniforms("tone", tone)
        self._tone_quad.render(moderngl.TRIANGLE_STRIP)
        image = np.frombuffer(self._final.read(components=3), np.uint8).reshape(self.high, self.wide, 3)[::-1]
        if self.wide != self.width:
            image = cv2.resize(image, (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(image), view_projection
