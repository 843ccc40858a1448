// A card for a post that is not listed in full: its text and answers, without photo and evidence. Everything of a post
// becomes a text node; no markup is ever made from it.

const SHOWN_CHARACTERS = 420;
const TONES = ["grave", "warm", "calm", "plain"];
const LANGUAGES = typeof Intl.DisplayNames === "function" ? new Intl.DisplayNames(["en"], { type: "language", fallback: "code" }) : null;

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  Object.entries(attributes || {}).forEach(([name, value]) => { if (value !== null) made.setAttribute(name, value); });
  made.append(...children.filter((child) => child !== null));
  return made;
}

function languageName(code) {
  if (!code) return "Not detected";
  try { return LANGUAGES ? LANGUAGES.of(code) : code; } catch (unknown) { return code; }
}

function momentOf(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
}

// The answer to one question in words and its tone.
function saidOf(task, answer) {
  if (answer.unsure) {
    const label = task.labels[answer.leaning];
    const leaning = answer.percent && label ? ` (leans to ${label[1]}, ${answer.percent}%)` : "";
    return { words: `${task.title}: not sure${leaning}`, tone: "unsure" };
  }
  if (!answer.labels.length) return { words: `${task.title}: none`, tone: "plain" };
  const labels = answer.labels.map((i) => task.labels[i]);
  return { words: labels.map((label) => label[1]).join(", "), tone: TONES.find((tone) => labels.some((label) => label[2] === tone)) || "plain" };
}

function answerOf(task, answer) {
  const said = saidOf(task, answer);
  // no model is certain: 100 is what rounding makes of nearly 100
  const sure = answer.percent >= 100 ? ">99%" : `${answer.percent}%`;
  // of several labels the file holds the surest one's alone
  const percent = answer.unsure ? "" : answer.labels.length > 1 ? `up to ${sure}` : sure;
  const line = element("span", { class: "said" }, element("span", { class: `label ${said.tone}` }, said.words),
    " ", element("span", { class: "percent" }, percent));
  return element("div", { class: "answer" }, element("dt", {}, task.title), element("dd", {}, line));
}

function lineOf(post, archive) {
  const more = archive.copies.get(post.message) || 1;
  const pictures = archive.shown.get(post.picture) || 1;
  const parts = [
    element("span", { class: "rank" }, String(post.index + 1)),
    element("span", { class: "urgency" }, "urgency ", element("strong", {}, (post.urgency / 100).toFixed(2))),
    more > 1 ? element("button", { type: "button", class: "more", "data-show": "like" }, `+${more - 1} near-duplicate${more > 2 ? "s" : ""}`) : null,
    pictures > 1 ? element("button", { type: "button", class: "more", "data-show": "picture" }, `photo also in ${pictures - 1} other post${pictures > 2 ? "s" : ""}`) : null,
    post.seconds === null ? element("span", {}, "no time") : element("time", { datetime: new Date(post.seconds * 1000).toISOString() }, momentOf(post.seconds) + " UTC"),
    post.event ? element("bdi", {}, post.event) : null,
    post.place ? element("span", { class: "place" }, post.doubtful ? "names (doubtful) " : post.place.indexOf("near ") === 0 ? "" : "at ", element("bdi", {}, post.place)) : null,
    post.language ? element("bdi", {}, languageName(post.language)) : null,
    element("span", { class: "id" }, "id ", element("bdi", {}, post.id)),
    post.url ? element("span", { class: "from" }, "from ", element("bdi", {}, post.url)) : null,
  ];
  return element("p", { class: "line" }, ...parts);
}

// How much of a long text this page does not hold; empty for none.
function restOf(post) {
  const [characters, stand] = post.cut === 1 ? ["character", "stands"] : ["characters", "stand"];
  return post.cut ? `${post.cut.toLocaleString("en")} more ${characters} ${stand} in the files.` : "";
}

function textOf(post) {
  if (!post.text.trim()) return [element("p", { class: "text muted" }, "No text.")];
  if (post.text.length <= SHOWN_CHARACTERS * 1.2) return [element("p", { class: "text", dir: "auto" }, post.text)];
  const cut = post.text.lastIndexOf(" ", SHOWN_CHARACTERS);
  const at = cut > 0 ? cut : SHOWN_CHARACTERS;
  return [
    element("p", { class: "text", dir: "auto" }, post.text.slice(0, at), element("span", { class: "muted" }, " …")),
    element("details", {}, element("summary", {}, "Rest of the text"), element("p", { class: "text", dir: "auto" }, post.text.slice(at))),
    post.cut ? element("p", { class: "muted" }, restOf(post)) : null,
  ];
}

function lightCard(post, archive) {
  const notes = post.notes ? element("ul", { class: "notes" }, ...post.notes.split("\n").map((note) => element("li", {}, note))) : null;
  const photo = post.photo === "yes" ? element("p", { class: "notes" }, "It has a photo, which this file leaves out.") : null;
  // how sure a model is of a language that it cannot read means nothing
  const answers = archive.schema.map((task, i) => answerOf(task, post.unread ? Object.assign({}, post.answers[i], { percent: 0 }) : post.answers[i]));
  const article = element("article", { "aria-label": `Post ${post.index + 1}`, class: "light" },
    element("div", { class: "body" }, lineOf(post, archive), ...textOf(post), photo, notes),
    element("div", { class: "answers" }, element("dl", {}, ...answers)));
  return element("li", { class: "card", id: `post-${post.index + 1}`, tabindex: "-1", "data-row": post.index }, article);
}

// The box that chooses a post to be sent on.
function choosingBox(post, chosen) {
  const box = element("input", { type: "checkbox", class: "choose", "data-row": post.index });
  box.checked = chosen.has(post.index);
  return element("label", { class: "choosing" }, box, ` Select post ${post.index + 1}`);
}
