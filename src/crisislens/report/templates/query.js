// From the state of the filters to the posts that fit, for all posts of the run.

function secondsOf(field) {
  const parsed = Date.parse(field + "Z");
  return Number.isNaN(parsed) ? null : parsed / 1000;
}

// `"near the school" boat` looks for the words in quotes as they stand and for the other word anywhere.
function wordsOf(query) {
  const found = [];
  fold(query || "").replace(/"([^"]+)"|(\S+)/g, (_, phrase, word) => { found.push(phrase || word); return ""; });
  return found.filter((word) => word !== '"');
}

// How probable an answer is that was chosen, in percent: of a label its own number, not that of a surer one beside it.
// NO where a post does not have it.
const NO = -1;

function percentOf(task, answer, chosen) {
  if (chosen === "not_sure") return answer.unsure ? answer.percent : NO;
  if (chosen === "none") return !answer.unsure && answer.labels.length === 0 ? answer.percent : NO;
  return percentWhere(answer, (i) => task.labels[i] && task.labels[i][0] === chosen);
}

// Of the labels of an answer that fit, the surest one's.
function percentWhere(answer, fits) {
  return answer.labels.reduce((most, i, at) => (fits(i) ? Math.max(most, answer.percents[at]) : most), NO);
}

const LACKING = {
  place: (post) => post.place === "",
  position: (post) => post.place === "" && post.lat === null,
  time: (post) => post.seconds === null,
};

// Whole names of places, each in quotes.
function namesOf(field) { return Array.from(field.matchAll(/"([^"]+)"/g), (found) => fold(found[1])); }

// A name's own quotes would end it where it stands in quotes, so names are compared without them.
function bareName(place) { return fold(place).replace(/"/g, ""); }

// `ponce` is found inside of names; `"Ponce, PR" "Utuado, PR"` are whole names, any of them.
function placeTest(field) {
  const only_names = /^(\s*"[^"]+")+\s*$/.test(field);
  const names = namesOf(field);
  const part = bareName(field);
  if (only_names) return (post) => post.place !== "" && names.indexOf(bareName(post.place)) >= 0;
  return (post) => post.place !== "" && (bareName(post.place).indexOf(part) >= 0 || names.indexOf(bareName(post.place)) >= 0);
}

// Of answers of a tone, grave, say; that a post is worth reading is no such answer.
function percentOfTone(task, answer, tone) {
  return task.relevance ? NO : percentWhere(answer, (i) => task.labels[i] && task.labels[i][2] === tone);
}

// `humanitarian:requests_or_urgent_needs needs:request` is either of two answers: the position of each question, its label.
function pairsIn(field, schema) {
  return field.split(" ").map((pair) => pair.split(":")).map(([name, label]) => [schema.findIndex((task) => task.name === name), label]);
}

function percentOfAny(post, pairs, schema) {
  return Math.max(...pairs.map(([i, label]) => (i < 0 ? NO : percentOf(schema[i], post.answers[i], label))));
}

// What the filters ask of answers: for each one that is set, how probable a post has what it asks for.
function askedOf(wanted, schema) {
  const asked = [];
  schema.forEach((task, i) => {
    const chosen = wanted[task.name];
    if (chosen) asked.push((post) => percentOf(task, post.answers[i], chosen));
  });
  if (wanted.any_of) {
    const pairs = pairsIn(wanted.any_of, schema);
    asked.push((post) => percentOfAny(post, pairs, schema));
  }
  const tone = wanted.of_tone;
  if (tone) asked.push((post) => Math.max(...schema.map((task, i) => percentOfTone(task, post.answers[i], tone))));
  return asked;
}

function boxesIn(field) { return field.split(";").map((box) => box.split(",").map(Number)); }

function isWithin(post, [west, south, east, north]) {
  return post.lon >= west && post.lon <= east && post.lat >= south && post.lat <= north;
}

// One test for each filter that is set, so that a filter that is not set costs nothing.
function testsOf(wanted, schema) {
  const least = +(wanted.confidence || 0);
  const asked = askedOf(wanted, schema);
  const tests = asked.map((percent) => (post) => percent(post) >= least);
  if (least && !asked.length) tests.push((post) => post.answers.every((answer) => answer.percent >= least));
  if (wanted.unsure === "unread") tests.push((post) => post.unread);
  if (wanted.unsure === "hide") tests.push((post) => !post.answers.some((answer) => answer.unsure));
  if (wanted.unsure === "only") tests.push((post) => post.answers.some((answer) => answer.unsure));
  if (wanted.fresh) tests.push((post) => post.fresh);
  if (wanted.photo) tests.push((post) => post.photo === wanted.photo);
  if (wanted.language) tests.push((post) => (post.language || "unknown") === wanted.language);
  if (wanted.event) tests.push((post) => post.event === wanted.event);
  if (wanted.like) tests.push((post) => post.message === +wanted.like);
  if (wanted.picture) tests.push((post) => post.picture === +wanted.picture);
  if (wanted.place) tests.push(placeTest(wanted.place));
  if (wanted.elsewhere) {
    const others = namesOf(wanted.elsewhere);
    tests.push((post) => post.place !== "" && others.indexOf(bareName(post.place)) < 0);
  }
  if (wanted.lacking) tests.push(LACKING[wanted.lacking] || (() => false));
  if (wanted.doubtful) tests.push((post) => post.doubtful);
  if (wanted.post_id) tests.push((post) => post.id === wanted.post_id);
  if (wanted.box) {
    const boxes = boxesIn(wanted.box);
    // a region's point is the middle of its people: its posts are not there
    tests.push((post) => post.lat !== null && !post.doubtful && !post.region && boxes.some((box) => isWithin(post, box)));
  }
  const from = wanted.from ? secondsOf(wanted.from) : null;
  const until = wanted.until ? secondsOf(wanted.until) : null;
  if (from !== null) tests.push((post) => post.seconds !== null && post.seconds >= from);
  if (until !== null) tests.push((post) => post.seconds !== null && post.seconds < until);
  wordsOf(wanted.q).forEach((word) => tests.push((post) => post.folded.indexOf(word) >= 0));
  return tests;
}

function inOrder(posts, sort) {
  if (sort !== "newest" && sort !== "oldest") return posts;
  const sign = sort === "newest" ? -1 : 1;
  return posts.slice().sort((a, b) => {
    if (a.seconds === b.seconds) return a.index - b.index;
    if (a.seconds === null || b.seconds === null) return a.seconds === null ? 1 : -1;
    return sign * (a.seconds - b.seconds);
  });
}

// All posts that fit, and of those that say the same the most urgent one.
function query(archive, wanted) {
  const tests = testsOf(wanted, archive.schema);
  const found = archive.posts.filter((post) => tests.every((test) => test(post)));
  const one_by_one = wanted.copies === "all" || wanted.like !== undefined;
  const seen = new Set();
  const messages = found.filter((post) => {
    if (post.message < 0 || one_by_one) return true;
    const first = !seen.has(post.message);
    seen.add(post.message);
    return first;
  });
  return { found, messages: inOrder(messages, wanted.sort) };
}
