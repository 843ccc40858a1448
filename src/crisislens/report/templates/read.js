// The list of posts: filters, pages, choosing. The state of the filters lives in the address, so that a view can be shared.

const PAGE_POSTS = 25;
const PRINTED_POSTS = 20;
const MOST_EVENTS = 200;
const MOST_PLACES = 1000;

// filters that a link sets and no field shows, in words
const WITHOUT_FIELD = {
  box: "in a part of the map",
  like: "that say the same",
  picture: "that show the same photo",
  post_id: "of one id",
  of_tone: "that tell of people in danger",
  any_of: "",
  lacking: "",
  doubtful: "at a place that is doubtful",
  elsewhere: "at other places than those of the table",
};
const LACKS = { place: "whose place has no name", position: "that nobody can place", time: "without a time" };

const root = document.documentElement;
const form = document.getElementById("filters");
const list = document.getElementById("cards");
const fields = Array.from(form.elements).filter((field) => field.name);
const chosen = new Set();
// cards that came with the page, in full, by the row of their post
const full = new Map(Array.from(list.children).map((card) => [+card.dataset.row, card]));

let archive = null;
let wanted = {};
let result = { found: [], messages: [] };
let page = 0;

function valueOf(field) {
  if (field.type === "checkbox") return field.checked ? field.value : "";
  return field.type === "range" && field.value === "0" ? "" : field.value;
}

function state() {
  const found = {};
  fields.forEach((field) => { if (valueOf(field)) found[field.name] = valueOf(field); });
  return found;
}

function put(given) {
  fields.forEach((field) => {
    const value = given[field.name] || "";
    if (field.type === "checkbox") field.checked = value === field.value;
    else if (field.type === "range") field.value = value || "0";
    else field.value = value;
    if (field.tagName === "SELECT" && field.selectedIndex < 0) field.selectedIndex = 0;
  });
}

// Filters that narrow the list; order and pictures do not.
function narrowing(given) {
  return Object.keys(given).filter((name) => ["sort", "photos", "copies"].indexOf(name) < 0);
}

function cardOf(post) {
  const card = full.get(post.index) || lightCard(post, archive);
  if (!card.querySelector(".choose")) card.querySelector(".body").append(choosingBox(post, chosen));
  card.querySelector(".choose").checked = chosen.has(post.index);
  return card;
}

function showPage(number) {
  const pages = Math.max(1, Math.ceil(result.messages.length / PAGE_POSTS));
  page = Math.min(Math.max(0, number), pages - 1);
  const posts = result.messages.slice(page * PAGE_POSTS, (page + 1) * PAGE_POSTS);
  list.replaceChildren(...posts.map(cardOf));
  document.getElementById("pages").hidden = pages < 2;
  document.getElementById("page-where").textContent = `Page ${page + 1} of ${pages.toLocaleString("en")}`;
  document.getElementById("page-back").disabled = page === 0;
  document.getElementById("page-on").disabled = page === pages - 1;
}

// Words that stand far down in a long text are not found: whoever searches must know.
function saidOfCut() {
  const cut = wanted.q ? archive.posts.filter((post) => post.cut).length : 0;
  return cut ? ` Of ${cut.toLocaleString("en")} long post${cut > 1 ? "s" : ""} only the start is searched.` : "";
}

function sayCount() {
  const whole = archive.posts.length.toLocaleString("en");
  const found = result.found.length.toLocaleString("en");
  const messages = result.messages.length;
  const folded = messages < result.found.length ? `, ${messages.toLocaleString("en")} different messages` : "";
  document.getElementById("count").textContent = `${found} of ${whole} posts${folded}.${saidOfCut()}`;
  document.getElementById("nothing").hidden = messages > 0 || !archive.posts.length;
}

// Either of several answers, in words.
function saidInAny() {
  const titles = pairsIn(wanted.any_of, archive.schema).map(([i, name]) => {
    const label = i < 0 ? null : archive.schema[i].labels.find((one) => one[0] === name);
    return `“${label ? label[1] : "something unknown"}”`;
  });
  return `that say ${titles.join(" or ")}`;
}

// What the filters that have no field of their own are set to, in words.
function sayChosen() {
  const set = Object.keys(WITHOUT_FIELD).filter((name) => wanted[name]);
  const own = { lacking: () => LACKS[wanted.lacking] || "that lack something unknown", any_of: saidInAny };
  const parts = set.map((name) => (own[name] ? own[name]() : WITHOUT_FIELD[name]));
  const line = document.getElementById("chosen");
  line.hidden = !parts.length;
  line.textContent = parts.length ? `Only posts ${parts.join(" and ")}. ` : "";
  if (parts.length) line.append(element("button", { type: "button", "data-drop": set.join(" ") }, "Show others too"));
}

function show() {
  wanted = state();
  if (!archive) return;
  result = query(archive, wanted);
  root.classList.toggle("photos-off", wanted.photos === "off");
  const set = narrowing(wanted).length;
  document.getElementById("filters-set").textContent = set ? ` (${set} set)` : "";
  document.getElementById("confidence-shown").textContent = (wanted.confidence || "0") + "%";
  fields.forEach((field) => field.classList.toggle("set", field.type !== "checkbox" && !!valueOf(field)));
  sayCount();
  sayChosen();
  showPage(0);
  sayWhatIsSent();
}

function sentPosts() {
  return chosen.size ? archive.posts.filter((post) => chosen.has(post.index)) : result.found;
}

function sayWhatIsSent() {
  const many = (chosen.size || result.found.length).toLocaleString("en");
  document.getElementById("send-what").textContent = chosen.size ? `${many} selected:` : `All ${many} found posts:`;
  document.getElementById("select-none").hidden = !chosen.size;
  document.querySelectorAll("[data-send]").forEach((button) => { button.disabled = !chosen.size && !result.found.length; });
}

function choose(row, is_chosen) {
  if (is_chosen) chosen.add(row); else chosen.delete(row);
  sayWhatIsSent();
}

function choosePage(are_chosen) {
  list.querySelectorAll(".choose").forEach((box) => {
    box.checked = are_chosen;
    if (are_chosen) chosen.add(+box.dataset.row);
  });
  if (!are_chosen) chosen.clear();
  sayWhatIsSent();
}

function option(value, words) { return element("option", { value }, words); }

// Fields whose values are those that the posts have.
function fillFields() {
  const languages = valuesOf(archive.posts, "language");
  const language = form.elements.language;
  languages.forEach(([code, count]) => language.append(option(code, `${languageName(code)} (${count.toLocaleString("en")})`)));
  if (archive.posts.some((post) => !post.language)) language.append(option("unknown", "Not detected"));
  const events = valuesOf(archive.posts, "event").slice(0, MOST_EVENTS);
  events.forEach(([name, count]) => form.elements.event.append(option(name, `${name} (${count.toLocaleString("en")})`)));
  [["language", languages.length], ["event", events.length]].forEach(([name, many]) => { form.elements[name].closest("label").hidden = many < 2; });
  const places = valuesOf(archive.posts, "place").slice(0, MOST_PLACES);
  document.getElementById("places").append(...places.map(([name]) => option(name, "")));
  form.elements.place.closest("label").hidden = !places.length;
}

// The page that the printer gets: the first posts of what is shown, and no controls.
function showForPrint() {
  // without the archive nothing is found, and the posts that came in full are all there is
  if (!archive) return;
  list.replaceChildren(...result.messages.slice(0, PRINTED_POSTS).map(cardOf));
}

// Shows one post, whatever the filters are; returns its card.
function showPost(row) {
  let at = result.messages.findIndex((post) => post.index === row);
  if (at < 0) {
    put({ copies: "all" });
    show();
    at = result.messages.findIndex((post) => post.index === row);
  }
  if (at < 0) return null;
  showPage(Math.floor(at / PAGE_POSTS));
  return document.getElementById(`post-${row + 1}`);
}
