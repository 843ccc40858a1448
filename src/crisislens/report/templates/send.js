// Chosen posts as text, CSV and GeoJSON, made in the page and handed to the person; nothing is sent anywhere.

const MOST_TEXTS = 1000;
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

function timeOf(post) { return post.seconds === null ? "" : new Date(post.seconds * 1000).toISOString(); }

// A text that the page holds in part says so wherever it goes.
function sentText(post) { return post.cut ? `${post.text} … [${restOf(post)}]` : post.text; }

function labelsOf(post, schema) {
  return schema.map((task, i) => {
    const answer = post.answers[i];
    if (answer.unsure) return "not sure";
    return answer.labels.map((position) => task.labels[position][1]).join("; ") || "none";
  });
}

// The same for a reader: what holds only perhaps says so. Tables keep the bare labels, for programs.
function spokenOf(post, schema) {
  return schema.map((task, i) => {
    const answer = post.answers[i];
    if (answer.unsure) return "not sure";
    return answer.labels.map((position, at) => hedged(task.labels[position][1], isPerhaps(task, answer, at))).join("; ") || "none";
  });
}

function asText(posts, schema) {
  return posts.map((post) => {
    const head = [timeOf(post) || "no time", post.place, `urgency ${(post.urgency / 100).toFixed(2)}`, `id ${post.id}`];
    const labels = spokenOf(post, schema).map((said, i) => `${schema[i].title}: ${said}`);
    return [head.filter(Boolean).join(" · "), sentText(post), labels.join(" · "), post.url].filter(Boolean).join("\n");
  }).join("\n\n");
}

// A cell that begins as a formula would be run by a spreadsheet, so it gets an apostrophe in front; so does what
// begins one behind a delimiter, where a spreadsheet of another country starts a new cell. As in report/flat.py.
const INNER_FORMULA = /([;,|\t\r\n][ "']*)([=+@＝＋＠]|[-－](?=[\p{L}\p{N}]))/gu;

function cellOf(value) {
  const text = String(value).replace(INNER_FORMULA, "$1'$2");
  const safe = FORMULA.test(text) ? "'" + text : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

function asCsv(posts, schema) {
  const head = ["id", "created_at", "urgency", "language", "event", "place", "lat", "lon", ...schema.map((task) => task.name), "text", "url"];
  const rows = posts.map((post) => {
    // numbers are written by us, and a negative one is no formula
    const numbers = [post.lat, post.lon].map((x) => (x === null ? "" : String(x)));
    const before = [post.id, timeOf(post)].map(cellOf);
    const middle = [post.language, post.event, post.place].map(cellOf);
    const after = [...labelsOf(post, schema), sentText(post), post.url].map(cellOf);
    return [...before, (post.urgency / 100).toFixed(2), ...middle, ...numbers, ...after].join(",");
  });
  return "\ufeff" + [head.map(cellOf).join(","), ...rows].join("\r\n") + "\r\n";
}

function asGeoJson(posts, schema) {
  const features = posts.filter((post) => post.lat !== null && !post.doubtful).map((post) => {
    const said = labelsOf(post, schema);
    const properties = { id: post.id, created_at: timeOf(post) || null, urgency: post.urgency / 100, place: post.place || null, text: sentText(post), url: post.url || null };
    schema.forEach((task, i) => { properties[task.name] = said[i]; });
    return { type: "Feature", geometry: { type: "Point", coordinates: [post.lon, post.lat] }, properties };
  });
  return JSON.stringify({ type: "FeatureCollection", features }, null, 1);
}

function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch (refused) {
    // an older browser, or one that does not let a file use the clipboard
    const field = element("textarea", { class: "skip", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}

// Returns what was done, in words.
async function sendOn(form, posts, schema) {
  const many = `${posts.length.toLocaleString("en")} post${posts.length === 1 ? "" : "s"}`;
  if (form === "csv") {
    save("posts.csv", "text/csv;charset=utf-8", asCsv(posts, schema));
    return `${many} saved as posts.csv.`;
  }
  if (form === "geojson") {
    const placed = posts.filter((post) => post.lat !== null && !post.doubtful).length;
    save("posts.geojson", "application/geo+json", asGeoJson(posts, schema));
    return `${placed.toLocaleString("en")} of ${many} have a place; saved as posts.geojson.`;
  }
  const copied = posts.slice(0, MOST_TEXTS);
  await copy(asText(copied, schema));
  return posts.length > MOST_TEXTS ? `The first ${MOST_TEXTS.toLocaleString("en")} of ${many} copied; CSV takes all.` : `${many} copied.`;
}
