// Curves of head and gaze: click sets a point, dragging moves it, arrow keys move it, Delete removes it.
const WIDTH = 600, HEIGHT = 190, EDGE = 10;
const SVG = 'http://www.w3.org/2000/svg';

const start = (root) => {
  const state = JSON.parse(root.dataset.state);
  const names = Object.keys(state.ranges);
  const curves = Object.fromEntries(names.map((name) => [name, (state.curves[name] || []).map((point) => [...point])]));
  let chosen = names.find((name) => curves[name].length) || names[0];
  let cursor = 0;

  const make = (tag, attributes, parent) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    parent.appendChild(node);
    return node;
  };
  const x = (seconds) => EDGE + (WIDTH - 2 * EDGE) * seconds / state.seconds;
  const y = (degrees) => HEIGHT / 2 - (HEIGHT / 2 - EDGE) * degrees / state.ranges[chosen];
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const at = (name, seconds) => {
    const points = curves[name];
    if (!points.length) return 0;
    if (seconds <= points[0][0]) return points[0][1];
    for (let i = 1; i < points.length; i += 1) {
      const [[t0, v0], [t1, v1]] = [points[i - 1], points[i]];
      if (seconds <= t1) return v0 + (v1 - v0) * (1 - Math.cos(Math.PI * (seconds - t0) / Math.max(t1 - t0, 1e-9))) / 2;
    }
    return points.at(-1)[1];
  };
  const keep = () => {
    for (const points of Object.values(curves)) points.sort((a, b) => a[0] - b[0]);
    root.dataset.curves = JSON.stringify({curves, seconds: state.seconds});
  };

  root.innerHTML = '<div class="it-choose" role="group" aria-label="Curve to draw"></div>'
    + '<div class="it-board"></div><p role="status" aria-live="polite"></p>';
  const [choose, board, words] = root.children;
  const svg = make('svg', {class: 'it-curves', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none',
    role: 'group', 'aria-label': 'Points of the curve'}, board);
  const head = make('svg', {class: 'it-head', viewBox: '-42 -52 84 104', 'aria-hidden': 'true'}, board);

  const tell = () => {
    const count = curves[chosen].length;
    const value = at(chosen, cursor);
    words.textContent = count
      ? `${state.labels[chosen]}: ${value.toFixed(0)}° at ${cursor.toFixed(2)} s. Arrow keys move a point, Delete removes it.`
      : `${state.labels[chosen]}: free. Click to set a point; where no curve is drawn, the model decides.`;
    head.replaceChildren();
    const [yaw, pitch, roll] = ['yaw', 'pitch', 'roll'].map((name) => at(name, cursor));
    const face = make('g', {transform: `rotate(${-roll})`}, head);
    make('ellipse', {rx: 30, ry: 40}, face);
    const [dx, dy] = [0.6 * yaw, -0.6 * pitch];
    for (const side of [-12, 12]) {
      make('ellipse', {cx: side + dx, cy: -8 + dy, rx: 7, ry: 4.5}, face);
      make('circle', {cx: side + dx + 0.16 * at('gaze_x', cursor), cy: -8 + dy - 0.12 * at('gaze_y', cursor), r: 1.5}, face);
    }
    make('path', {d: `M${dx} ${-4 + dy} l${3 + 0.15 * yaw} 12 h-5`}, face);
    make('path', {d: `M${-9 + dx} ${20 + dy} q9 5 18 0`}, face);
  };

  const draw = (focused = -1) => {
    keep();
    choose.replaceChildren(...names.map((name) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = state.labels[name].split(':')[0] + (curves[name].length ? ' •' : '');
      button.setAttribute('aria-pressed', name === chosen);
      button.onclick = () => { chosen = name; draw(); choose.children[names.indexOf(name)].focus(); };
      return button;
    }));
    const add = document.createElement('button');
    add.type = 'button';
    add.textContent = 'Add a point';
    add.onclick = () => insert(clamp(cursor + state.seconds / 8, 0, state.seconds), at(chosen, cursor));
    choose.appendChild(add);
    svg.replaceChildren();
    state.peaks.forEach((peak, i) => {
      const place = x((i + 0.5) * state.seconds / state.peaks.length);
      make('line', {class: 'it-wave', x1: place, x2: place, y1: HEIGHT / 2 - 80 * peak, y2: HEIGHT / 2 + 80 * peak}, svg);
    });
    make('line', {class: 'it-zero', x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2}, svg);
    for (const name of [...names.filter((other) => other !== chosen), chosen]) {
      if (!curves[name].length) continue;
      const scale = state.ranges[chosen] / state.ranges[name];
      const steps = Array.from({length: 121}, (_, i) => i * state.seconds / 120);
      const line = steps.map((t) => `${x(t).toFixed(1)},${y(at(name, t) * scale).toFixed(1)}`).join(' ');
      make('polyline', {class: name === chosen ? 'it-curve it-on' : 'it-curve', points: line}, svg);
    }
    curves[chosen].forEach((point, i) => handle(point, i, i === focused));
    tell();
  };

  const handle = (point, index, focused) => {
    const label = `${state.labels[chosen]}, point ${index + 1} of ${curves[chosen].length}`;
    const node = make('circle', {cx: x(point[0]), cy: y(point[1]), r: 7, tabindex: 0, role: 'slider', 'aria-label': label,
      'aria-valuemin': -state.ranges[chosen], 'aria-valuemax': state.ranges[chosen], 'aria-valuenow': Math.round(point[1]),
      'aria-valuetext': `${point[1].toFixed(0)} degrees at ${point[0].toFixed(2)} seconds`}, svg);
    node.onfocus = () => { cursor = point[0]; tell(); };
    node.onkeydown = (event) => {
      const moves = {ArrowLeft: [-0.04, 0], ArrowRight: [0.04, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};
      if (event.key === 'Delete' || event.key === 'Backspace') {
        curves[chosen].splice(index, 1);
        event.preventDefault();
        draw(Math.min(index, curves[chosen].length - 1));
      } else if (event.key in moves) {
        const [dt, dv] = moves[event.key];
        event.preventDefault();
        move(point, point[0] + dt, point[1] + dv);
      }
    };
    node.onpointerdown = (event) => {
      event.preventDefault();
      event.stopPropagation();
      svg.setPointerCapture(event.pointerId);
      svg.onpointermove = (moved) => move(point, ...place(moved));
      svg.onpointerup = svg.onpointercancel = () => { svg.onpointermove = null; };
      node.focus();
    };
    if (focused) node.focus();
  };

  const move = (point, seconds, degrees) => {
    point[0] = Math.round(clamp(seconds, 0, state.seconds) * 1000) / 1000;
    point[1] = Math.round(clamp(degrees, -state.ranges[chosen], state.ranges[chosen]) * 10) / 10;
    cursor = point[0];
    keep();
    draw(curves[chosen].indexOf(point));
  };
  const insert = (seconds, degrees) => {
    const point = [0, 0];
    curves[chosen].push(point);
    move(point, seconds, degrees);
  };
  const place = (event) => {
    const box = svg.getBoundingClientRect();
    const seconds = ((event.clientX - box.left) / box.width * WIDTH - EDGE) / (WIDTH - 2 * EDGE) * state.seconds;
    const degrees = (HEIGHT / 2 - (event.clientY - box.top) / box.height * HEIGHT) / (HEIGHT / 2 - EDGE);
    return [seconds, degrees * state.ranges[chosen]];
  };
  svg.onpointerdown = (event) => insert(...place(event));
  draw();
};

const begin = () => {
  const root = element.querySelector('.it-editor');
  if (root) start(root);
};
begin();
watch('value', begin);
