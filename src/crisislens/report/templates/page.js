// The views, the theme, the address, and what a click means.

const VIEWS = ["now", "needs", "map", "read", "about"];
const THEMES = ["system", "light", "dark"];
const OWN_KEYS = ["view", "theme", "page"];

let theme = "system";
let view = "now";

function fromAddress(text) {
  const found = {};
  new URLSearchParams(text).forEach((value, name) => { found[name] = value; });
  return found;
}

function toAddress() {
  const parts = new URLSearchParams(wanted);
  const bare = !parts.toString() && theme === "system";
  if (!bare) parts.set("view", view);
  if (theme !== "system") parts.set("theme", theme);
  const text = bare ? view : parts.toString();
  if (location.hash.slice(1) === text) return;
  try { history.replaceState(null, "", "#" + text); } catch (refused) { location.hash = text; }
}

function paint() {
  if (theme === "system") root.removeAttribute("data-theme"); else root.dataset.theme = theme;
  document.querySelector("#theme span").textContent = theme;
}

function showView(name) {
  view = name;
  VIEWS.forEach((one) => { document.getElementById(one).hidden = one !== name; });
  document.querySelectorAll("header nav a").forEach((link) => {
    if (link.hash.slice(1) === name) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  });
  if (name === "map") openMap();
}

function focusOn(target) {
  target.scrollIntoView({ block: "start" });
  target.focus({ preventScroll: true });
}

// Filters that a link asks for replace those that were set; the theme and the order of the list stay.
function filter(given) {
  put(given);
  show();
  showView("read");
  toAddress();
}

// `#map` is a view, `#post-7` a post, `#failed` a part of the page, `#q=boat` filters.
function go(text) {
  const target = text && text.indexOf("=") < 0 ? text : "";
  const post = /^post-(\d+)$/.exec(target);
  if (post) {
    showView("read");
    const card = archive ? showPost(+post[1] - 1) : document.getElementById(target);
    if (card) focusOn(card);
    return;
  }
  if (VIEWS.indexOf(target) >= 0) {
    showView(target);
    toAddress();
    window.scrollTo(0, 0);
    return;
  }
  if (target) {
    const part = document.getElementById(target);
    const owner = part ? part.closest(".view") : null;
    if (owner) showView(owner.id);
    if (part) focusOn(part);
    return;
  }
  if (text) {
    filter(Object.assign(fromAddress(text), wanted.sort ? { sort: wanted.sort } : {}));
    focusOn(document.getElementById("read"));
  }
}

function readAddress() {
  const text = decodeURI(location.hash.slice(1));
  const given = text.indexOf("=") < 0 ? {} : fromAddress(location.hash.slice(1));
  theme = THEMES.indexOf(given.theme) > 0 ? given.theme : "system";
  paint();
  put(given);
  show();
  const filtered = Object.keys(given).some((name) => OWN_KEYS.indexOf(name) < 0);
  if (text && text.indexOf("=") < 0) { go(text); return; }
  showView(VIEWS.indexOf(given.view) >= 0 ? given.view : filtered ? "read" : "now");
}

function onClick(event) {
  const drop = event.target.closest("[data-drop]");
  if (drop) {
    const kept = Object.assign({}, wanted);
    drop.dataset.drop.split(" ").forEach((name) => { delete kept[name]; });
    filter(kept);
    return;
  }
  const more = event.target.closest("[data-show]");
  if (more && archive) {
    const post = archive.posts[+more.closest(".card").dataset.row];
    filter(more.dataset.show === "like" ? { like: String(post.message), copies: "all" } : { picture: String(post.picture) });
    focusOn(document.getElementById("read"));
    return;
  }
  const drawn = event.target.closest("[data-link]");
  const link = event.target.closest("a[href^='#']");
  if ((drawn || link) && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    go((drawn ? drawn.dataset.link : link.getAttribute("href")).slice(1));
    return;
  }
  const slot = event.target.closest(".slot");
  if (slot) {
    go(new URLSearchParams({ from: slot.dataset.from, until: slot.dataset.until }).toString());
    return;
  }
  const zoom = event.target.closest(".zoom");
  if (zoom) zoom.setAttribute("aria-pressed", String(zoom.closest(".card").classList.toggle("large")));
}

// The small bars of one table as a list of times: for keyboards, fingers and screen readers.
function listBars(details) {
  const rows = Array.from(details.closest("section").querySelectorAll("tbody tr"));
  const times = new Map();
  rows.forEach((row) => row.querySelectorAll("[data-link]").forEach((bar) => {
    const from = fromAddress(bar.dataset.link.slice(1)).from;
    const [label, said] = [row.querySelector(".label"), bar.querySelector("title").textContent];
    const words = `${label.textContent} ${(+bar.dataset.posts).toLocaleString("en")}`;
    const link = element("a", { class: label.className, href: bar.dataset.link, "aria-label": said }, words);
    times.set(from, [...(times.get(from) || []), link, " "]);
  }));
  const listed = Array.from(times).sort((a, b) => (a[0] < b[0] ? -1 : 1));
  details.append(...listed.map(([from, links]) => element("p", { class: "chips" }, element("span", { class: "when" }, from.replace("T", " ")), ...links)));
}

function onToggle(event) {
  const details = event.target;
  if (details.matches(".over-time") && details.open && details.children.length === 1) listBars(details);
}

function onSend(event) {
  const button = event.target.closest("[data-send]");
  if (!button) return;
  sendOn(button.dataset.send, sentPosts(), archive.schema).then((done) => { document.getElementById("sent").textContent = done; });
}

function turn(step) {
  showPage(page + step);
  focusOn(document.getElementById("read"));
}

function listen() {
  form.addEventListener("input", () => { show(); toAddress(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => { event.preventDefault(); filter({}); });
  document.getElementById("clear").addEventListener("click", () => filter({}));
  document.getElementById("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    paint();
    toAddress();
  });
  document.getElementById("page-back").addEventListener("click", () => turn(-1));
  document.getElementById("page-on").addEventListener("click", () => turn(1));
  document.getElementById("select-page").addEventListener("click", () => choosePage(true));
  document.getElementById("select-none").addEventListener("click", () => choosePage(false));
  list.addEventListener("change", (event) => {
    if (event.target.matches(".choose")) choose(+event.target.dataset.row, event.target.checked);
  });
  document.addEventListener("click", onClick);
  document.addEventListener("click", onSend);
  // this event does not rise to the document, so it is caught on its way down
  document.addEventListener("toggle", onToggle, true);
  window.addEventListener("hashchange", readAddress);
  window.addEventListener("beforeprint", showForPrint);
  window.addEventListener("afterprint", () => { if (archive) showPage(page); });
}

async function start() {
  root.classList.remove("no-js");
  root.classList.add("js");
  if (window.matchMedia("(max-width: 900px)").matches) document.querySelector(".filters").open = false;
  listen();
  const trouble = document.getElementById("trouble");
  try {
    const schema = JSON.parse(document.getElementById("schema").content.textContent);
    archive = readArchive(await unpack("packed-posts"), schema);
    fillFields();
  } catch (failed) {
    // the posts that came in full stay readable
    trouble.textContent = `This browser cannot unpack the posts, so search and filters are off (${failed.message}). Use a newer one.`;
    trouble.hidden = false;
  }
  readAddress();
  root.dataset.ready = "yes";
  performance.mark("ready");
}

start();
