"""GLSL of the forward renderer: skin, eyes, textured mouth parts, cloth, hair ribbons, background, tone mapping.

Skin: wrapped diffuse with a wider wrap for red (a cheap stand-in for subsurface scattering) and a two-lobe GGX.
Hair: Kajiya and Kay (1989) with two shifted lobes after Marschner et al. (2003), evaluated per vertex.
"""

LIGHTS = """
uniform vec3 camera; uniform vec3 key_dir; uniform vec3 key_colour; uniform vec3 fill_dir; uniform vec3 fill_colour;
uniform vec3 rim_dir; uniform vec3 rim_colour; uniform vec3 sky_colour; uniform vec3 ground_colour;
uniform mat4 shadow_matrix; uniform sampler2D shadow_map;
const vec2 DISC[12] = vec2[](vec2(-.326,-.406), vec2(-.84,-.074), vec2(-.696,.457), vec2(-.203,.621),
  vec2(.962,-.195), vec2(.473,-.48), vec2(.519,.767), vec2(.185,-.893), vec2(.507,.064), vec2(.896,.412),
  vec2(-.322,-.933), vec2(-.792,-.598));
float shadow(vec3 p, vec3 n, float radius, vec2 jitter, int taps) {
  vec4 q = shadow_matrix * vec4(p + n * .02, 1); vec3 s = q.xyz * .5 + .5; float lit = 0.;
  float a = fract(sin(dot(jitter, vec2(12.99, 78.23))) * 43758.5) * 6.283;
  mat2 turn = mat2(cos(a), sin(a), -sin(a), cos(a));
  for (int i = 0; i < taps; i++) {
    float d = texture(shadow_map, s.xy + turn * DISC[i] * radius).r;
    lit += smoothstep(-.0004, .0012, d - s.z + .0012);
  }
  return lit / float(taps);
}
vec3 ambient(vec3 n) { float u = n.y * .5 + .5; return mix(ground_colour, sky_colour, u * u * (3. - 2. * u)); }
float ggx(float nh, float a) { float a2 = a * a; float d = nh * nh * (a2 - 1.) + 1.; return a2 / (3.14159*d*d + 1e-5); }
vec3 specular(vec3 n, vec3 v, vec3 l, float rough, float f0) {
  vec3 h = normalize(l + v);
  float nh = max(dot(n, h), 0.), nl = max(dot(n, l), 0.), nv = max(dot(n, v), .05), vh = max(dot(v, h), 0.);
  float k = rough + 1.; k = k * k / 8.;
  float g = 1. / ((nl * (1. - k) + k) * (nv * (1. - k) + k));
  float fresnel = f0 + (1. - f0) * pow(clamp(1. - vh, 0., 1.), 5.);
  return vec3(ggx(nh, rough * rough) * g * fresnel * nl * .25);
}
"""
NOISE = """
float hash(vec2 p) { p = fract(p * vec2(123.34, 456.21)); p += dot(p, p + 45.32); return fract(p.x * p.y); }
float noise(vec2 p) {
  vec2 i = floor(p), f = fract(p); f = f * f * (3. - 2. * f);
  return mix(mix(hash(i), hash(i + vec2(1, 0)), f.x), mix(hash(i + vec2(0, 1)), hash(i + vec2(1, 1)), f.x), f.y);
}
"""
_FRAGMENT = "#version 330\nin vec3 P; in vec3 N; in vec2 UV; in vec4 A; out vec4 colour;\n"

MESH_VERTEX = """#version 330
invariant gl_Position;
in vec3 position; in vec3 normal; in vec2 uv; in vec4 extra; uniform mat4 view_projection;
out vec3 P; out vec3 N; out vec2 UV; out vec4 A;
void main() {
  P = position; N = normal + 1e-7; UV = uv; A = extra; gl_Position = view_projection * vec4(position, 1);
}
"""

# extra: ambient occlusion, inside of mouth or socket, thin ear, oily zone; albedo alpha: lip - scalp mask
SKIN = (
    _FRAGMENT
    + LIGHTS
    + """
uniform sampler2D albedo; uniform sampler2D bump_map; uniform float gloss; uniform float bump_scale; uniform float oil;
void main() {
  vec4 t = texture(albedo, UV); vec3 c = t.rgb; float lip = max(t.a, 0.), scalp = clamp(-t.a, 0., 1.);
  vec3 n = normalize(N), v = normalize(camera - P);
  float height = texture(bump_map, UV).r;  // bump mapping from screen-space derivatives (Mikkelsen 2010)
  vec3 dx = dFdx(P), dy = dFdy(P); vec3 r1 = cross(dy, n), r2 = cross(n, dx); float det = dot(dx, r1);
  vec3 g = sign(det) * (dFdx(height) * r1 + dFdy(height) * r2);
  vec3 nd = abs(det) > 1e-14 ? normalize(abs(det) * n - g * bump_scale) : n;
  float occlusion = A.x, fuzz = pow(clamp(1. - dot(n, v), 0., 1.), 4.);
  float s = shadow(P, n, .012, gl_FragCoord.xy, 8), soft = sqrt(s);
  vec3 wrap = vec3(.38, .2, .14);
  vec3 diffuse = clamp((vec3(dot(mix(n, nd, .5), key_dir)) + wrap) / (1. + wrap), 0., 1.);
  diffuse = diffuse * diffuse * (3. - 2. * diffuse) * .35 + diffuse * .65;
  vec3 light = key_colour * diffuse * vec3(mix(s, soft, .55), mix(s, soft, .15), s);
  vec3 wide = vec3(.5, .35, .3);
  light += fill_colour * clamp((vec3(dot(n, fill_dir)) + wide) / (1. + wide), 0., 1.) * mix(.4, 1., occlusion);
  light += rim_colour * clamp((dot(n, rim_dir) + .15) / 1.15, 0., 1.) * occlusion;
  light += ambient(mix(n, nd, .4)) * pow(vec3(max(occlusion, .001)), vec3(.75, 1.05, 1.15));
  vec3 blood = vec3(.9, .25, .12);
  light += A.z * blood * (key_colour * pow(max(dot(-n, key_dir) * .6 + .4, 0.), 2.) * .5 + rim_colour * .18);
  vec3 result = c * light;
  float rough = mix(.52, .33, clamp(max(lip, oil * A.w), 0., 1.));
  float open = occlusion * mix(.6, 1., smoothstep(0., .5, height + .25));
  vec3 ns = normalize(mix(n, nd, 1.1));
  vec3 shine = specular(ns, v, key_dir, rough, .028) * key_colour * s
    + specular(ns, v, fill_dir, rough, .028) * fill_colour * .8
    + specular(n, v, rim_dir, rough, .028) * rim_colour * .7;
  shine *= gloss;
  shine += specular(ns, v, key_dir, .28, .028) * key_colour * s * gloss * .25 * (lip * 2. + oil * A.w);
  shine += ambient(reflect(-v, ns)) * (.02 + .14 * fuzz) * gloss * .8;
  result += shine * open * (1. - scalp) + fuzz * c * ambient(n) * .35 * occlusion * (1. - scalp);
  colour = vec4(result * mix(1., .06, A.y), 1);
}
"""
)

EYE = (
    _FRAGMENT
    + LIGHTS
    + NOISE
    + """
uniform mat3 eye_rotation; uniform vec3 eye_centre; uniform vec3 iris_outer; uniform vec3 iris_inner;
uniform float pupil; uniform float iris_radius; uniform vec2 lids; uniform float seed; uniform mat3 head_rotation;
void main() {
  vec3 v = normalize(camera - P), n = normalize(N), d = normalize(P - eye_centre);
  vec3 e = transpose(eye_rotation) * d, ve = transpose(eye_rotation) * v;
  // refract towards the plane of the iris
  float inside = 1. - smoothstep(iris_radius * .9, iris_radius * 1.12, length(e.xy));
  vec3 bent = refract(-ve, normalize(vec3(e.xy * 1.1, e.z)), 1. / 1.336);
  float depth = .16 * inside * clamp(1. - length(e.xy) / iris_radius, 0., 1.) + .03 * inside;
  vec2 q = e.xy + bent.xy / max(-bent.z, .2) * depth;
  float r = length(q) / iris_radius, a = atan(q.y, q.x);
  float fibres = .55 * noise(vec2(a * 14. + seed * 31., r * 2.5)) + .45 * noise(vec2(a * 36. + seed * 7., r * 5.));
  float ring = noise(vec2(a * 5., r * 7. + seed));
  vec3 iris = mix(iris_inner, iris_outer, smoothstep(.3, .95, r + .35 * (fibres - .5))) * (.62 + .75 * fibres);
  iris = mix(iris, iris_inner * 1.5, .35 * (1. - smoothstep(0., .25, abs(r - pupil - .12))) * ring);
  iris *= mix(1., .22, smoothstep(.78, 1.02, r)) * smoothstep(pupil - .03, pupil + .05, r);
  vec3 ke = transpose(eye_rotation) * key_dir;  // light gathered opposite the key
  float caustic = clamp(dot(normalize(q + 1e-4), -normalize(ke.xy + 1e-4)) * .5 + .35, 0., 1.);
  iris *= .75 + .75 * caustic * smoothstep(pupil, 1., r);
  float vein = noise(vec2(a * 9. + seed * 3., length(e.xy) * 11.)) * noise(vec2(a * 23., length(e.xy) * 4.));
  float rim = smoothstep(.35, .95, length(e.xy)); vec3 white = vec3(.47, .44, .42);
  white = mix(white, white * vec3(1., .80, .76), rim * .55 + .35 * vein * rim);
  float m = smoothstep(1.0, 1.12, r); vec3 c = mix(iris, white, m);
  vec3 h = transpose(head_rotation) * d;  // the lids darken the eye in head space
  float up = smoothstep(lids.x - .34, lids.x + .02, h.y), down = 1. - smoothstep(lids.y - .05, lids.y + .22, h.y);
  float corner = smoothstep(.40, .92, abs(h.x)), open = (1. - .78 * up) * (1. - .4 * down) * (1. - .62 * corner);
  float s = mix(.55, 1., shadow(P, n, .010, gl_FragCoord.xy, 8));
  vec3 light = key_colour * clamp((dot(n, key_dir) + .35) / 1.35, 0., 1.) * s * open
    + fill_colour * clamp((dot(n, fill_dir) + .4) / 1.4, 0., 1.) * open + ambient(n) * open * 1.05;
  vec3 result = c * light;
  vec3 cornea = normalize(n + .35 * eye_rotation * vec3(e.xy, 0.) * (1. - m)), mirror = reflect(-v, cornea);
  float glint = pow(max(dot(mirror, key_dir), 0.), 420.) * smoothstep(.02, .3, 1. - up);
  float box = smoothstep(.90, .955, dot(mirror, key_dir)) * .10 + smoothstep(.93, .96, dot(mirror, fill_dir)) * .05;
  result += key_colour * (glint * 2.2 + box) * (1. - .6 * up)
    + fill_colour * pow(max(dot(mirror, fill_dir), 0.), 300.) * .5;
  float fresnel = .02 + .25 * pow(clamp(1. - dot(n, v), 0., 1.), 5.);
  colour = vec4(result + ambient(mirror) * fresnel * open * 1.2, 1);
}
"""
)

# extra.x: darkening
TEXTURED = (
    _FRAGMENT
    + LIGHTS
    + """
uniform sampler2D albedo; uniform vec3 tint; uniform float gloss;
void main() {
  vec3 c = texture(albedo, UV).rgb * tint; vec3 n = normalize(N), v = normalize(camera - P);
  if (dot(n, v) < 0.) n = -n;
  float s = mix(.45, 1., shadow(P, n, .01, gl_FragCoord.xy, 8));
  vec3 light = key_colour * clamp((dot(n, key_dir) + .4) / 1.4, 0., 1.) * s
    + fill_colour * clamp((dot(n, fill_dir) + .5) / 1.5, 0., 1.) + ambient(n);
  vec3 shine = specular(n, v, key_dir, .22, .04) * key_colour * s + specular(n, v, fill_dir, .3, .04) * fill_colour;
  colour = vec4((c * light + shine * gloss) * A.x, 1);
}
"""
)

# extra: occlusion, signed distance below the collar, pattern coordinates
CLOTH = (
    _FRAGMENT
    + LIGHTS
    + NOISE
    + """
uniform vec3 colour_a; uniform vec3 colour_b; uniform float pattern; uniform float frequency; uniform float knit;
void main() {
  if (A.y < 0.) discard;
  vec3 n = normalize(N), v = normalize(camera - P); if (dot(n, v) < 0.) n = -n;
  vec2 q = A.zw * frequency;
  float hem = .72 + .28 * smoothstep(.012, .03, abs(A.y - .10)) * smoothstep(0., .02, A.y), s = 0.;
  if (pattern > 2.5) s = step(.5, fract(q.x)) * .5 + step(.5, fract(q.y)) * .5;
  else if (pattern > 1.5) s = step(.5, fract(q.y));
  else if (pattern > .5) s = step(.5, fract(q.x * 1.5));
  vec3 c = mix(colour_a, colour_b, s) * (.86 + .28 * noise(A.zw * 60.) * noise(A.zw * 7. + 3.));
  n = normalize(n + knit * .12 * vec3(cos(A.z * 260.), cos(A.w * 260.), 0.));
  float fold = noise(A.zw * vec2(2.2, 1.1) + 7.) * .5 + noise(A.zw * vec2(5., 2.) + 1.) * .25;
  n = normalize(n + .25 * vec3(dFdx(fold), dFdy(fold), 0.) * 6.);
  float lit = shadow(P, n, .012, gl_FragCoord.xy, 8), fuzz = pow(clamp(1. - dot(n, v), 0., 1.), 3.);
  vec3 light = key_colour * clamp((dot(n, key_dir) + .1) / 1.1, 0., 1.) * lit
    + fill_colour * clamp((dot(n, fill_dir) + .2) / 1.2, 0., 1.) * A.x
    + rim_colour * clamp(dot(n, rim_dir), 0., 1.) * .8 + ambient(n) * A.x;
  colour = vec4(c * light * (1. + .5 * fuzz) * hem, 1);
}
"""
)

# ribbon: side (-1, 1), position along the strand 0..1, random 0..1, half width
_RIBBON = """
in vec3 position; in vec3 tangent; in vec4 ribbon; uniform mat4 view_projection; uniform vec3 rotation_vector;
uniform vec3 pivot; uniform float rigid; uniform vec2 blend_y; uniform float width_scale; uniform float min_width;
vec3 turn(vec3 p, float share) {
  float angle = length(rotation_vector) * share; if (angle < 1e-5) return p;
  vec3 k = normalize(rotation_vector);
  return p * cos(angle) + cross(k, p) * sin(angle) + k * dot(k, p) * (1. - cos(angle));
}
void place(vec3 eye, out vec3 p, out vec3 t) {
  float share = mix(smoothstep(blend_y.x, blend_y.y, position.y), 1., rigid);  // long hair stays on the shoulders
  p = pivot + turn(position - pivot, share); t = turn(tangent, share);
  vec3 side = normalize(cross(t, normalize(eye - p)) + 1e-6);
  p += side * ribbon.x * max(ribbon.w * width_scale, min_width * length(eye - p) * .5);
  gl_Position = view_projection * vec4(p, 1);
}
"""
RIBBON_DEPTH_VERTEX = (
    "#version 330\ninvariant gl_Position;\nuniform vec3 camera;\n"
    + _RIBBON
    + "void main() { vec3 p, t; place(camera, p, t); }"
)
RIBBON_VERTEX = (
    "#version 330\ninvariant gl_Position;\n"
    + LIGHTS
    + _RIBBON
    + """
out vec3 shade; out float side;
uniform vec3 root_colour; uniform vec3 tip_colour; uniform vec3 head_centre; uniform vec3 head_radii;
uniform float shine; uniform float variation; uniform float depth_shade;
void main() {
  vec3 p, t; place(camera, p, t); t = normalize(t + 1e-7);
  vec3 v = normalize(camera - p); float rnd = ribbon.z;
  vec3 c = mix(root_colour, tip_colour, smoothstep(.1, .95, ribbon.y)) * (1. + variation * (rnd - .5) * 1.4);
  vec3 rel = (p - head_centre) / head_radii;  // strands near the scalp are darker
  float open = mix(1., smoothstep(.96, 1.20, length(rel)) * .62 + .38,
    depth_shade * smoothstep(-1.1, -.2, p.y - head_centre.y));
  vec3 out_dir = normalize(rel + 1e-6), n = normalize(out_dir - t * dot(out_dir, t) * .9 + 1e-6);
  float s = mix(.22, 1., shadow(p, n, .008, position.xz * 91., 4)), tl = dot(t, key_dir);
  float diffuse = mix(sqrt(max(0., 1. - tl * tl)), clamp(dot(n, key_dir) * .6 + .4, 0., 1.), .6);
  vec3 light = key_colour * diffuse * s * .85 + fill_colour * clamp(dot(n, fill_dir) * .5 + .5, 0., 1.) * .7 * open
    + rim_colour * clamp(dot(n, rim_dir) * .6 + .4, 0., 1.) * .9 * open + ambient(n) * open * .9;
  vec3 result = c * light * mix(.65, 1., open);
  vec3 t1 = normalize(t + n * (-.10 + .10 * (rnd - .5))), t2 = normalize(t + n * (.14 + .12 * (rnd - .5)));
  vec3 h = normalize(key_dir + v);
  float first = pow(max(0., 1. - pow(abs(dot(t1, h)), 2.)), 90.);
  float second = pow(max(0., 1. - pow(abs(dot(t2, h)), 2.)), 22.);
  result += shine * key_colour * s * clamp(dot(n, key_dir) * 1.3 + .4, 0., 1.)
    * (first * .07 + second * .30 * (c * 1.6 + .012));
  float back = pow(max(0., 1. - pow(abs(dot(t1, normalize(rim_dir + v))), 2.)), 30.);
  result += shine * rim_colour * back * (c * 1.2 + .03) * .5 * clamp(dot(n, rim_dir) + .4, 0., 1.);
  shade = result * mix(1., open, .5); side = ribbon.x;
}
"""
)
RIBBON = """#version 330
in vec3 shade; in float side; out vec4 colour;
void main() { colour = vec4(shade * (.84 + .16 * (1. - side * side)), 1); }
"""

SCREEN_VERTEX = """#version 330
in vec2 corner; out vec2 q;
void main() { q = corner * .5 + .5; gl_Position = vec4(corner, .9999, 1); }
"""
BACKGROUND = """#version 330
in vec2 q; out vec4 colour; uniform sampler2D image;
void main() { colour = vec4(texture(image, q).rgb, 1); }
"""
# tone curve: Narkowicz's fit of ACES (2015), then sRGB
TONE = """#version 330
in vec2 q; out vec4 colour; uniform sampler2D image; uniform float exposure; uniform float vignette;
uniform vec3 white_balance; uniform float bloom;
void main() {
  vec3 c = textureLod(image, q, 0.).rgb;
  c = mix(c, textureLod(image, q, 3.5).rgb * .5 + textureLod(image, q, 5.).rgb * .5, bloom) * exposure * white_balance;
  vec2 d = q - .5; c *= 1. - vignette * dot(d, d) * 1.6;
  vec3 x = clamp(c, 0., 50.) * .85; c = clamp((x * (2.51 * x + .03)) / (x * (2.43 * x + .59) + .14), 0., 1.);
  colour = vec4(mix(12.92 * c, 1.055 * pow(c, vec3(1. / 2.4)) - .055, step(.0031308, c)), 1);
}
"""
NOTHING = "#version 330\nvoid main() {}"
UV_VERTEX = """#version 330
in vec3 position; in vec2 uv; out vec3 P;
void main() { P = position; gl_Position = vec4(uv * 2. - 1., 0, 1); }
"""
UV_POSITION = "#version 330\nin vec3 P; out vec4 colour; void main() { colour = vec4(P, 1); }"
