// The map: drawn from what the page holds, moved without a server. Plate carrée with the scale of its middle latitude.

const SVG = "http://www.w3.org/2000/svg";
const NEAR_PX = 44;
const KM_PER_DEGREE = 111.32;
const SCALES_KM = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
const CLOSEST_DEGREES = 0.002;
const AREAS = ["land", "lakes"];
const MOST_NAMES = 40;
const SMALLEST_PATCH_PX = 250;

let ground = null;
let camera = null;
let only_found = false;
let opening = null;

function drawn(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.append(...children);
  return made;
}

// Lines are stored as steps in whole units from point to point; here they become coordinates.
function coordinatesOf(steps, units) {
  let [x, y] = [0, 0];
  return steps.map((step, i) => {
    if (i % 2) { y += step; return y / units; }
    x += step;
    return x / units;
  });
}

function unrolled(stored) {
  const [coarse, fine] = stored.units;
  stored.coarse = stored.coarse.map((ring) => coordinatesOf(ring, coarse));
  stored.patches.forEach((patch) => Object.keys(patch.fine).forEach((layer) => {
    patch.fine[layer] = patch.fine[layer].map((line) => coordinatesOf(line, fine));
  }));
  return stored;
}

// What is seen: the middle in degrees, and how many degrees of latitude a pixel is.
function cameraOf(frame, box) {
  const [west, south, east, north] = frame;
  const middle = (south + north) / 2;
  const shrink = Math.max(0.2, Math.cos((middle * Math.PI) / 180));
  const degrees = Math.max((east - west) * shrink / box.clientWidth, (north - south) / box.clientHeight);
  return { lon: (west + east) / 2, lat: middle, shrink, degrees };
}

function placeOn(lon, lat, box) {
  const x = box.clientWidth / 2 + ((lon - camera.lon) * camera.shrink) / camera.degrees;
  const y = box.clientHeight / 2 - (lat - camera.lat) / camera.degrees;
  return [x, y];
}

function frameOf(box) {
  const wide = (box.clientWidth / 2) * camera.degrees / camera.shrink;
  const high = (box.clientHeight / 2) * camera.degrees;
  return [camera.lon - wide, camera.lat - high, camera.lon + wide, camera.lat + high];
}

function pathOf(flat, box, closed) {
  const steps = [];
  let last_x = NaN;
  let last_y = NaN;
  for (let i = 0; i < flat.length; i += 2) {
    const [x, y] = placeOn(flat[i], flat[i + 1], box);
    // points that fall on one pixel would be drawn for nothing
    if (Math.abs(x - last_x) + Math.abs(y - last_y) < 0.7) continue;
    steps.push(`${x.toFixed(1)} ${y.toFixed(1)}`);
    [last_x, last_y] = [x, y];
  }
  return steps.length > 1 ? `M${steps.join("L")}${closed ? "Z" : ""}` : "";
}

function touches(flat, frame) {
  const [west, south, east, north] = frame;
  let low_x = Infinity;
  let low_y = Infinity;
  let high_x = -Infinity;
  let high_y = -Infinity;
  for (let i = 0; i < flat.length; i += 2) {
    low_x = Math.min(low_x, flat[i]);
    high_x = Math.max(high_x, flat[i]);
    low_y = Math.min(low_y, flat[i + 1]);
    high_y = Math.max(high_y, flat[i + 1]);
  }
  return low_x <= east && high_x >= west && low_y <= north && high_y >= south;
}

// The fine lines of a part of the world, over the coarse ones.
function drawPatch(patch, box, pathOfAll) {
  const [west, south, east, north] = patch.near;
  const [[left, top], [right, bottom]] = [placeOn(west, north, box), placeOn(east, south, box)];
  const sea = drawn("rect", { class: "sea", x: left, y: top, width: right - left, height: bottom - top });
  return [sea, ...Object.entries(patch.fine).map(([layer, lines]) => drawn("path", { class: layer, d: pathOfAll(lines, AREAS.indexOf(layer) >= 0) }))];
}

function holds({ near }, frame) {
  return frame[0] >= near[0] && frame[1] >= near[1] && frame[2] <= near[2] && frame[3] <= near[3];
}

// The parts with fine lines that are worth drawing: the one that holds the whole frame, or all that are large enough.
function patchesIn(frame) {
  const inside = ground.patches.find((patch) => holds(patch, frame));
  const wide = ({ near }) => ((near[2] - near[0]) * camera.shrink) / camera.degrees;
  return inside ? [inside] : ground.patches.filter((patch) => touches(patch.near, frame) && wide(patch) > SMALLEST_PATCH_PX);
}

function drawGround(box, frame) {
  const pathOfAll = (lines, closed) => lines.filter((line) => touches(line, frame)).map((line) => pathOf(line, box, closed)).join("");
  const patches = patchesIn(frame);
  const parts = [drawn("rect", { class: "sea", width: "100%", height: "100%" })];
  if (!patches.some((patch) => holds(patch, frame))) parts.push(drawn("path", { class: "land coarse", d: pathOfAll(ground.coarse, true) }));
  patches.forEach((patch) => parts.push(...drawPatch(patch, box, pathOfAll)));
  ground.base.filter(([, , , flat]) => touches(flat, frame)).forEach(([shape, kind, name, flat]) => {
    if (shape === "point") return;
    const path = drawn("path", { class: `base ${shape} ${kind}`, d: pathOf(flat, box, shape === "area") });
    if (name) path.append(drawn("title", {}, name));
    parts.push(path);
  });
  return parts;
}

function overlaps(one, other) { return one[0] < other[2] && one[2] > other[0] && one[1] < other[3] && one[3] > other[1]; }

// Named points of the base map, above their point or else below it, where there is room for them.
function drawTowns(box, frame, taken) {
  const parts = [];
  ground.base.forEach(([shape, , name, flat]) => {
    if (shape !== "point" || !touches(flat, frame)) return;
    const [x, y] = placeOn(flat[0], flat[1], box);
    const half = 3.6 * name.length + 2;
    const labels = [-NEAR_PX / 2, NEAR_PX / 2 + 10].map((away) => [x - half, y + away - 12, x + half, y + away + 4]);
    const label = labels.find((one) => !taken.some((other) => overlaps(one, other)));
    if (!label) return;
    taken.push(label);
    parts.push(drawn("text", { class: "town", x, y: label[3] - 4 }, name));
  });
  return parts;
}

// Names of cities, the largest first, where there is room for them.
function drawCities(box, frame, taken) {
  const [west, south, east, north] = frame;
  const parts = [];
  // far away, the names of cities near some posts would look like those of the largest
  if (!patchesIn(frame).length) return parts;
  ground.cities.forEach(([name, lon, lat]) => {
    if (lon < west || lon > east || lat < south || lat > north || parts.length > MOST_NAMES) return;
    const [x, y] = placeOn(lon, lat, box);
    const wide = 7 * name.length + 8;
    const label = x + wide > box.clientWidth ? [x - wide, y - 9, x, y + 9] : [x, y - 9, x + wide, y + 9];
    if (taken.some((other) => overlaps(label, other))) return;
    taken.push(label);
    parts.push(drawn("g", { class: "city" }, drawn("circle", { cx: x, cy: y, r: 2 }), drawn("text", { x: label[0] === x ? x + 5 : x - 5, y, dy: ".35em", "text-anchor": label[0] === x ? "start" : "end" }, name)));
  });
  return parts;
}

// Posts in one square of a grid, which moves with the ground; posts that name no more than a region stand by themselves.
function cellsOf(posts, frame) {
  const [west, south, east, north] = frame;
  const step_y = (NEAR_PX / 2) * camera.degrees;
  const step_x = step_y / camera.shrink;
  const cells = new Map();
  posts.forEach((post) => {
    if (post.lat === null || post.doubtful || post.lon < west || post.lon > east || post.lat < south || post.lat > north) return;
    const square = `${Math.floor(post.lon / step_x)},${Math.floor(post.lat / step_y)}`;
    const key = post.region ? post.place : square;
    if (!cells.has(key)) cells.set(key, { region: post.region, count: 0, lon: 0, lat: 0, names: new Map(), box: [180, 90, -180, -90] });
    const cell = cells.get(key);
    cell.count += 1;
    cell.lon += post.lon;
    cell.lat += post.lat;
    if (post.place) cell.names.set(post.place, (cell.names.get(post.place) || 0) + 1);
    cell.box = around(cell.box, [post.lon, post.lat, post.lon, post.lat]);
  });
  return [...cells.values()].sort((a, b) => b.count - a.count);
}

function around(a, b) {
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

function join(into, other) {
  into.count += other.count;
  into.lon += other.lon;
  into.lat += other.lat;
  other.names.forEach((count, name) => into.names.set(name, (into.names.get(name) || 0) + count));
  into.boxes.push(other.box);
}

// Circles that would touch are one: the largest keeps its place, and what is near joins it.
function circlesOf(posts, frame, box) {
  const kept = [];
  cellsOf(posts, frame).forEach((cell) => {
    const [x, y] = placeOn(cell.lon / cell.count, cell.lat / cell.count, box);
    cell.boxes = [cell.box];
    const near = cell.region ? null : kept.find((one) => !one.region && Math.hypot(one.x - x, one.y - y) < NEAR_PX);
    if (near) join(near, cell);
    else kept.push(Object.assign(cell, { x, y }));
  });
  // regions below the points
  return kept.sort((a, b) => b.region - a.region);
}

function radiusOf(cell) { return Math.min(NEAR_PX / 2, 7 + 2.4 * Math.log2(cell.count)) * (cell.region ? 0.8 : 1); }

// What no name may cover.
function edgesOf(cell) {
  const radius = radiusOf(cell);
  return [cell.x - radius, cell.y - radius, cell.x + radius, cell.y + radius];
}

// One box around all would take in posts of neighbouring circles, so each square that was joined has its own.
function boxesOf(cell) {
  const edge = 0.00005;
  return cell.boxes.map((box) => box.map((value, i) => +(value + (i < 2 ? -edge : edge)).toFixed(5)));
}

// What two boxes share; null for nothing.
function sharedBox(a, b) {
  const shared = [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])];
  return shared[0] <= shared[2] && shared[1] <= shared[3] ? shared : null;
}

// A circle may stand over a gap between boxes that are set, and the posts in the gap are not in its count.
function cutToWanted(boxes) {
  if (!only_found || !wanted.box) return boxes;
  const set = boxesIn(wanted.box);
  return boxes.flatMap((box) => set.map((one) => sharedBox(box, one)).filter(Boolean));
}

// The filter that lists the posts of a circle, beside those that are set where only what they find is drawn.
function linkOf(cell, names) {
  const own = cell.region ? { place: `"${names.replace(/"/g, "")}"` } : { box: cutToWanted(boxesOf(cell)).join(";") };
  return `#${new URLSearchParams(Object.assign({}, only_found ? wanted : {}, own))}`;
}

function circle(cell) {
  const { x, y } = cell;
  const radius = radiusOf(cell);
  const names = [...cell.names].sort((a, b) => b[1] - a[1]).slice(0, 3).map(([name]) => name).join(", ");
  const says = `${cell.count.toLocaleString("en")} post${cell.count > 1 ? "s" : ""}${names ? ": " + names : ""}${cell.region ? ", and no closer place" : ""}`;
  const href = linkOf(cell, names);
  const parts = [drawn("title", {}, says), drawn("circle", { cx: x, cy: y, r: radius })];
  const below = cell.region ? radius + 8 : 0;
  if (cell.count > 1) parts.push(drawn("text", { x, y: y + below, dy: ".35em" }, cell.count.toLocaleString("en")));
  return drawn("a", { class: cell.region ? "marker region" : "marker", href, "aria-label": says }, ...parts);
}

function scaleBar(box) {
  const km_per_px = camera.degrees * KM_PER_DEGREE;
  const fitting = SCALES_KM.filter((km) => km / km_per_px <= 160);
  const km = fitting.length ? fitting[fitting.length - 1] : SCALES_KM[0];
  const wide = km / km_per_px;
  const y = box.clientHeight - 14;
  const words = km < 1 ? `${km * 1000} m` : `${km.toLocaleString("en")} km`;
  return drawn("g", { class: "scale" }, drawn("path", { d: `M12 ${y - 6}V${y}H${12 + wide}V${y - 6}` }), drawn("text", { x: 18 + wide, y }, words));
}

function drawMap() {
  const box = document.getElementById("map-box");
  const frame = frameOf(box);
  const posts = only_found ? result.found : archive.posts;
  const cells = circlesOf(posts, frame, box);
  const circles = cells.map((cell) => circle(cell));
  const taken = cells.map((cell) => edgesOf(cell));
  const svg = drawn("svg", { viewBox: `0 0 ${box.clientWidth} ${box.clientHeight}`, width: "100%", height: "100%" }, ...drawGround(box, frame), ...drawTowns(box, frame, taken), ...drawCities(box, frame, taken), ...circles, scaleBar(box));
  // a circle that had the focus is drawn anew: the keys must go on working
  const was_inside = box !== document.activeElement && box.contains(document.activeElement);
  box.replaceChildren(svg);
  if (was_inside) box.focus({ preventScroll: true });
  const seen = cells.reduce((sum, cell) => sum + cell.count, 0);
  document.getElementById("map-count").textContent = `${seen.toLocaleString("en")} of ${posts.length.toLocaleString("en")} posts in this frame.`;
}

function move(x_px, y_px) {
  camera.lon -= (x_px * camera.degrees) / camera.shrink;
  camera.lat = Math.max(-85, Math.min(85, camera.lat + y_px * camera.degrees));
  drawMap();
}

// What lies under the pointer stays there.
function zoom(factor, x_px, y_px) {
  const box = document.getElementById("map-box");
  const [dx, dy] = [(x_px === undefined ? 0 : x_px - box.clientWidth / 2), (y_px === undefined ? 0 : y_px - box.clientHeight / 2)];
  const next = Math.max(CLOSEST_DEGREES / box.clientHeight, Math.min(170 / box.clientHeight, camera.degrees * factor));
  camera.lon += (dx * (camera.degrees - next)) / camera.shrink;
  camera.lat -= dy * (camera.degrees - next);
  camera.degrees = next;
  drawMap();
}

function home() {
  camera = cameraOf(ground.frame, document.getElementById("map-box"));
  drawMap();
}

function onMapKey(event) {
  const moves = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (moves[event.key]) move(...moves[event.key]);
  else if (event.key === "+" || event.key === "=") zoom(0.6);
  else if (event.key === "-") zoom(1 / 0.6);
  else return;
  event.preventDefault();
}

function listenToMap(box) {
  let from = null;
  box.addEventListener("wheel", (event) => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX, event.offsetY); }, { passive: false });
  box.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; });
  box.addEventListener("pointermove", (event) => {
    if (!from || event.buttons === 0) return;
    const [dx, dy] = [event.clientX - from[0], event.clientY - from[1]];
    // a click that trembles is no drag
    if (Math.abs(dx) + Math.abs(dy) < 4 && !box.classList.contains("dragged")) return;
    box.classList.add("dragged");
    from = [event.clientX, event.clientY];
    move(dx, dy);
  });
  window.addEventListener("pointerup", () => { from = null; });
  box.addEventListener("click", (event) => {
    if (box.classList.contains("dragged")) { event.preventDefault(); event.stopPropagation(); box.classList.remove("dragged"); }
  }, true);
  box.addEventListener("keydown", onMapKey);
  window.addEventListener("resize", () => { if (camera && box.clientWidth) drawMap(); });
  document.getElementById("map-in").addEventListener("click", () => zoom(0.6));
  document.getElementById("map-out").addEventListener("click", () => zoom(1 / 0.6));
  document.getElementById("map-home").addEventListener("click", home);
  document.getElementById("map-found").addEventListener("click", (event) => {
    only_found = !only_found;
    event.currentTarget.setAttribute("aria-pressed", String(only_found));
    drawMap();
  });
}

// Called whenever the view is shown; the ground is unpacked the first time.
async function openMap() {
  const live = document.getElementById("live-map");
  if (!live || !archive) return;
  if (!opening) {
    opening = unpack("packed-map").then((unpacked) => {
      ground = unrolled(unpacked);
      live.hidden = false;
      document.getElementById("still-maps").hidden = true;
      listenToMap(document.getElementById("map-box"));
      home();
    });
    await opening;
  } else if (ground) drawMap();
}
