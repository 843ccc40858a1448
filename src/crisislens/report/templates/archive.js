// The posts of the run. They stand in the page as compressed rows; here they become one plain object a post, in the
// order of urgency, with the text that the search looks at.

const FRESH_MARKS = /[\u0300-\u036f]/g;
const BEYOND_ASCII = /[^\x00-\x7f]/;

// without case and accents, so that "inundacion" finds "inundación"
function fold(text) {
  const lower = text.toLowerCase();
  // most posts have no accents, and taking characters apart is what costs
  return BEYOND_ASCII.test(lower) ? lower.normalize("NFKD").replace(FRESH_MARKS, "") : lower;
}

function bytesOf(base64) {
  const characters = atob(base64);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i += 1) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

async function unpack(id) {
  const packed = document.getElementById(id).content.textContent.trim();
  if (!packed) return null;
  const stream = new Blob([bytesOf(packed)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

// An answer is stored as a label's position, as several, or as -1 minus the position that "not sure" leans to; then how
// probable it is in percent, of several labels each.
function answersOf(stored, schema) {
  return schema.map((task, i) => {
    const answer = stored[2 * i];
    const unsure = typeof answer === "number" && answer < 0;
    const labels = unsure ? [] : Array.isArray(answer) ? answer : [answer];
    const percents = [].concat(stored[2 * i + 1]);
    return { labels, unsure, leaning: unsure ? -1 - answer : null, percents, percent: Math.max(...percents) };
  });
}

function readArchive(raw, schema) {
  const at = {};
  raw.fields.forEach((name, i) => { at[name] = i; });
  const photos = ["none", "yes", "unusable"];
  const posts = raw.rows.map((row, index) => {
    const [place, doubtful, region] = row[at.place] < 0 ? ["", 0, 0] : raw.places[row[at.place]];
    const event = raw.events[row[at.event]];
    return {
      index,
      id: row[at.id],
      text: row[at.text],
      seconds: row[at.seconds],
      urgency: row[at.urgency],
      language: raw.languages[row[at.language]],
      event,
      photo: photos[row[at.photo]],
      unread: row[at.unread] === 1,
      fresh: row[at.fresh] === 1,
      lat: row[at.lat],
      lon: row[at.lon],
      place,
      doubtful: doubtful === 1,
      region: region === 1,
      message: row[at.message],
      picture: row[at.picture],
      notes: raw.notes[row[at.notes]],
      url: row[at.url],
      cut: row[at.cut],
      answers: answersOf(row[at.answers], schema),
      folded: fold([row[at.text], row[at.id], event, place].join("\n")),
    };
  });
  const copies = new Map();
  const shown = new Map();
  posts.forEach((post) => {
    if (post.message >= 0) copies.set(post.message, (copies.get(post.message) || 0) + 1);
    if (post.picture >= 0) shown.set(post.picture, (shown.get(post.picture) || 0) + 1);
  });
  return { posts, schema, copies, shown };
}

// Different values of a field, the most frequent first.
function valuesOf(posts, field) {
  const counts = new Map();
  posts.forEach((post) => { if (post[field]) counts.set(post[field], (counts.get(post[field]) || 0) + 1); });
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}
