// A card for a post that is not listed in full: its text and answers, without photo and evidence. Everything of a post
// becomes a text node; no markup is ever made from it.

const SHOWN_CHARACTERS = 420;
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

// What is said with so little probability that it is said with "perhaps".
function isPerhaps(task, answer, at) { return answer.percents[at] < task.perhaps_below; }

function hedged(title, perhaps) { return perhaps ? `Perhaps: ${title}` : title; }

// What one question has of a post: each label in words, its tone, its percent, and whether it holds only perhaps.
function saidOf(task, answer) {
  if (answer.unsure) {
    const label = task.labels[answer.leaning];
    const leaning = answer.percent && label ? ` (leans to ${label[1]}, ${answer.percent}%)` : "";
    return [{ words: `${task.title}: not sure${leaning}`, tone: "unsure", percent: null, perhaps: false }];
  }
  if (!answer.labels.length) return [{ words: `${task.title}: none`, tone: "plain", percent: answer.percent, perhaps: false }];
  const said = answer.labels.map((i, at) => {
    const [, title, tone] = task.labels[i];
    const perhaps = isPerhaps(task, answer, at);
    return { words: hedged(title, perhaps), tone, percent: answer.percents[at], perhaps };
  });
  return said.sort((a, b) => b.percent - a.percent);
}

// No model is certain: 100 is what rounding makes of nearly 100.
function sureIn(percent) { return percent === null ? "" : percent >= 100 ? ">99%" : `${percent}%`; }

function answerOf(task, answer) {
  const lines = saidOf(task, answer).map((one) => element("span", { class: "said" },
    element("span", { class: `label ${one.tone}${one.perhaps ? " perhaps" : ""}` }, one.words), " ", element("span", { class: "percent" }, sureIn(one.percent))));
  return element("div", { class: "answer" }, element("dt", {}, task.title), element("dd", {}, ...lines));
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
