// The map: MapLibre over a base map of this server (PMTiles, read by ranges). Nothing comes from elsewhere. Where there is
// no WebGL the drawn maps of the page stay; the table below them holds the same places for keyboard and screen reader.
const version = new URL(import.meta.url).search;
const box = document.getElementById("map");
const drawn = document.getElementById("drawn");
const tools = document.getElementById("map-tools");
const root = document.documentElement;

function color(name) { return getComputedStyle(root).getPropertyValue(`--${name}`).trim(); }

// both names of each thing: those of the base map that ships, and of extracts of Protomaps
function layers(source, known) {
  const ground = [
    ["land", "fill", { "fill-color": color("surface") }],
    ["earth", "fill", { "fill-color": color("surface") }],
    ["landuse", "fill", { "fill-color": color("sunken") }],
    ["water", "fill", { "fill-color": color("map-water") }, ["==", ["geometry-type"], "Polygon"]],
    ["lakes", "fill", { "fill-color": color("map-water") }],
    ["rivers", "line", { "line-color": color("map-water"), "line-width": 1.2 }],
    ["water", "line", { "line-color": color("map-water"), "line-width": 1 }, ["==", ["geometry-type"], "LineString"]],
    ["roads", "line", { "line-color": color("line"), "line-width": ["interpolate", ["linear"], ["zoom"], 8, 0.5, 16, 5] }],
    ["buildings", "fill", { "fill-color": color("line") }],
    ["states", "line", { "line-color": color("line"), "line-width": 0.8, "line-dasharray": [3, 2] }],
    ["boundaries", "line", { "line-color": color("strong-line"), "line-width": 1 }],
    ["borders", "line", { "line-color": color("strong-line"), "line-width": 1 }],
  ];
  const found = ground.filter(([name]) => known.has(name)).map(([name, type, paint, filter], at) => {
    const layer = { id: `${type}-${name}-${at}`, type, source, "source-layer": name, paint };
    return filter ? { ...layer, filter } : layer;
  });
  if (known.has("places")) found.push({ ...words("places", ["coalesce", ["get", "name:en"], ["get", "name"]], 11), source, "source-layer": "places" });
  return found;
}

function words(id, text, size) {
  return {
    id, type: "symbol",
    layout: { "text-field": text, "text-font": ["sans-serif"], "text-size": size, "text-anchor": "top", "text-offset": [0, 0.2], "text-padding": 6 },
    paint: { "text-color": color("muted"), "text-halo-color": color("surface"), "text-halo-width": 1.2 },
  };
}

function town(source) {
  const kind = (name) => ["==", ["get", "kind"], name];
  const named = words("town-names", ["get", "name"], 12);
  return [
    { id: "town-land", type: "fill", source, filter: kind("park"), paint: { "fill-color": color("surface") } },
    { id: "town-river", type: "line", source, filter: kind("river"), paint: { "line-color": color("map-water"), "line-width": 6 } },
    { id: "town-road", type: "line", source, filter: kind("road"), paint: { "line-color": color("strong-line"), "line-width": 2 } },
    { ...named, source, filter: kind("district"), layout: { ...named.layout, "text-offset": [0, 1.6], "text-allow-overlap": true } },
  ];
}

function posts() {
  const size = ["step", ["get", "point_count"], 13, 10, 16, 50, 20, 200, 26];
  const urgent = [">=", ["get", "urgency"], 0.5];
  return [
    { id: "many", type: "circle", source: "posts", filter: ["has", "point_count"],
      paint: { "circle-color": color("accent"), "circle-radius": size, "circle-stroke-width": 2, "circle-stroke-color": color("surface"), "circle-opacity": 0.92 } },
    { id: "count", type: "symbol", source: "posts", filter: ["has", "point_count"],
      layout: { "text-field": ["get", "point_count_abbreviated"], "text-font": ["sans-serif"], "text-size": 12, "text-allow-overlap": true },
      paint: { "text-color": color("surface") } },
    { id: "one", type: "circle", source: "posts", filter: ["!", ["has", "point_count"]],
      paint: { "circle-color": ["case", ["get", "region"], color("surface"), urgent, color("grave"), color("accent")], "circle-radius": ["case", urgent, 8, 6],
        "circle-stroke-width": 2, "circle-stroke-color": ["case", ["get", "region"], color("strong-line"), color("surface")] } },
  ];
}

async function baseOf(pmtiles) {
  const header = await pmtiles.getHeader();
  const about = await pmtiles.getMetadata();
  // a file of somebody else: its words are text, never markup
  const told = new DOMParser().parseFromString(String(about.attribution || ""), "text/html").body.textContent;
  document.getElementById("map-source").textContent = `Base map: ${told || "no source is named"}.`;
  const address = `pmtiles://${pmtiles.source.getKey()}`;
  if (header.tileType !== 1) return { source: { type: "raster", url: address, tileSize: 256 }, ground: () => [{ id: "ground", type: "raster", source: "base" }] };
  const known = new Set((about.vector_layers || []).map((layer) => layer.id));
  return { source: { type: "vector", url: address }, ground: () => layers("base", known) };
}

function boxOf(map) {
  const edge = map.getBounds();
  const within = (value, most) => Math.max(-most, Math.min(most, value)).toFixed(4);
  return [within(edge.getWest(), 180), within(edge.getSouth(), 90), within(edge.getEast(), 180), within(edge.getNorth(), 90)].join(",");
}

function follow(map) {
  const query = `bbox=${boxOf(map)}&since=${encodeURIComponent(box.dataset.since)}&order=urgency`;
  tools.querySelectorAll("[data-here]").forEach((link) => { link.href = `${link.dataset.here}?${query}`; });
}

async function start() {
  const [gl, answer] = await Promise.all([import(`/static/maplibre-gl.mjs${version}`), fetch(box.dataset.points)]);
  const points = await answer.json();
  const protocol = new window.pmtiles.Protocol();
  gl.addProtocol("pmtiles", protocol.tile);
  const file = new window.pmtiles.PMTiles(new URL(box.dataset.base, location.href).href);
  protocol.add(file);
  const base = await baseOf(file);
  const sources = { base: base.source, posts: { type: "geojson", data: points, cluster: true, clusterRadius: 36, clusterMaxZoom: 15 } };
  if (box.dataset.town) sources.town = { type: "geojson", data: box.dataset.town };
  // in the colors of the theme, which may be changed while the map is looked at
  const style = () => ({
    version: 8, sources,
    layers: [{ id: "sea", type: "background", paint: { "background-color": color("map-sea") } }, ...base.ground(), ...(sources.town ? town("town") : []), ...posts()],
  });
  box.hidden = false;
  const map = new gl.Map({ container: box, style: style(), attributionControl: false, dragRotate: false, pitchWithRotate: false, maxZoom: 17, renderWorldCopies: false, fadeDuration: 0 });
  map.on("error", () => { /* a tile that is missing leaves its ground empty */ });
  map.touchZoomRotate.disableRotation();
  const canvas = map.getCanvas();
  canvas.setAttribute("aria-label", "Map of posts. Arrow keys move it, plus and minus zoom. The table below holds the same places.");
  const edge = box.dataset.bounds.split(",").map(Number);
  if (edge.length === 4) map.fitBounds([[edge[0], edge[1]], [edge[2], edge[3]]], { padding: 48, maxZoom: 13, animate: false });
  map.on("moveend", () => follow(map));
  follow(map);
  map.on("click", "many", async (event) => {
    const cluster = event.features[0];
    const zoom = await map.getSource("posts").getClusterExpansionZoom(cluster.properties.cluster_id);
    map.easeTo({ center: cluster.geometry.coordinates, zoom: Math.min(zoom, 17), animate: !matchMedia("(prefers-reduced-motion: reduce)").matches });
  });
  map.on("click", "one", (event) => { location.assign(`/posts/${event.features[0].properties.id}`); });
  for (const name of ["many", "one"]) {
    map.on("mouseenter", name, () => { canvas.style.cursor = "pointer"; });
    map.on("mouseleave", name, () => { canvas.style.cursor = ""; });
  }
  document.getElementById("zoom-in").addEventListener("click", () => map.zoomIn());
  document.getElementById("zoom-out").addEventListener("click", () => map.zoomOut());
  document.addEventListener("keydown", (event) => {
    if (event.key === "b" && !event.ctrlKey && !event.metaKey && !event.altKey && !window.crisislens.typing(event.target)) tools.querySelector("[data-here='/posts']").focus();
  });
  document.getElementById("theme").addEventListener("click", () => window.setTimeout(() => map.setStyle(style()), 0));
  map.once("idle", () => { box.dataset.ready = "true"; });
  drawn.hidden = true;
  tools.hidden = false;
}

// a machine without WebGL, or a base map that cannot be read, keeps the drawn maps
start().catch(() => { box.hidden = true; drawn.hidden = false; });
