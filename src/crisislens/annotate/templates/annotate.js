(function () {
  "use strict";
  var setup = null, post = null, marked = new Set(), cells = new Set(), label = "", word = 0, anchor = 0, cell = 0, finished = false, waiting = 0;
  // changes are sent one after the other, so that an older one never overtakes a newer
  // what it resolves to says whether the newest change was kept
  var sending = Promise.resolve(true);
  var element = function (name) { return document.getElementById(name); };

  function get(path) {
    return fetch(path, { cache: "no-store" }).catch(function (error) {
      throw new Error("This page cannot reach its server: " + error.message);
    }).then(function (r) {
      return r.json().then(function (said) {
        if (!r.ok) throw new Error("The server says: " + said.error);
        return said;
      });
    });
  }

  function tell(text, failed) { element("saved").textContent = text; element("saved").classList.toggle("failed", Boolean(failed)); }

  function lost(error) { tell(error.message, true); }

  function save() {
    var index = post.index;
    var body = JSON.stringify({
      words: Array.from(marked).sort(function (a, b) { return a - b; }),
      cells: Array.from(cells).map(function (k) { return [Math.floor(k / setup.grid[1]), k % setup.grid[1]]; }),
      label: label, done: finished
    });
    waiting += 1;
    tell("Saving …");
    sending = sending.then(function () {
      return fetch("post/" + index, { method: "POST", headers: { "Content-Type": "application/json" }, body: body });
    }).then(function (r) {
      return r.json().then(function (said) {
        if (!r.ok) throw new Error(said.error);
        waiting -= 1;
        if (!waiting) tell("Saved, " + said.done + " done");
        return true;
      });
    }).catch(function (error) { waiting -= 1; tell("Not saved: " + error.message, true); return false; });
    return sending;
  }

  function show() {
    element("where").textContent = "Post " + (post.index + 1) + " of " + post.total + (finished ? ", done" : "");
    Array.prototype.forEach.call(document.querySelectorAll(".word"), function (w, i) {
      w.setAttribute("aria-selected", String(marked.has(i))); w.classList.toggle("here", i === word);
    });
    Array.prototype.forEach.call(document.querySelectorAll(".cell"), function (c, i) {
      c.setAttribute("aria-selected", String(cells.has(i))); c.classList.toggle("here", i === cell);
    });
    Array.prototype.forEach.call(element("labels").children, function (b) { b.setAttribute("aria-checked", String(b.dataset.label === label)); });
    if (post.words.length) element("words").setAttribute("aria-activedescendant", "word-" + word);
    element("grid").setAttribute("aria-activedescendant", "cell-" + cell);
  }

  function open(index) {
    return get("post/" + index).then(function (found) {
      post = found; marked = new Set(found.marked); label = found.label; finished = found.finished; word = anchor = cell = 0;
      cells = new Set(found.cells.map(function (c) { return c[0] * setup.grid[1] + c[1]; }));
      element("id").textContent = found.id;
      var words = element("words");
      words.textContent = "";
      words.append(found.gaps[0]);
      found.words.forEach(function (text, i) {
        var span = document.createElement("span");
        span.className = "word"; span.id = "word-" + i; span.setAttribute("role", "option"); span.textContent = text;
        words.append(span, found.gaps[i + 1]);
      });
      element("photo-part").hidden = !found.photo;
      if (found.photo) { element("frame").hidden = false; element("no-photo").hidden = true; element("photo").src = "photo/" + index; }
      // a server that was away is there again
      if (element("saved").classList.contains("failed")) tell("");
      show();
      words.focus();
      document.body.dataset.ready = String(index);
    });
  }

  function change(set, from, to, on) {
    for (var i = Math.min(from, to); i <= Math.max(from, to); i++) { if (on) set.add(i); else set.delete(i); }
    finished = false; show(); save();
  }

  function go(step) {
    var target = Math.min(setup.total - 1, Math.max(0, post.index + step));
    sending.then(function (kept) {
      // another post would take the place of marks that stand nowhere else
      if (kept) return open(target);
    }).catch(lost);
  }

  function next() { finished = true; show(); save(); go(1); }

  function choose(i) { if (setup.labels[i] !== undefined) { label = label === setup.labels[i] ? "" : setup.labels[i]; finished = false; show(); save(); } }

  function clear() { marked.clear(); cells.clear(); finished = false; show(); save(); }

  function moveWord(event, step) {
    var to = Math.min(post.words.length - 1, Math.max(0, word + step));
    if (event.shiftKey) { word = to; change(marked, anchor, word, true); } else { word = anchor = to; show(); }
  }

  function moveCell(rows, columns) {
    var r = Math.floor(cell / setup.grid[1]) + rows, c = cell % setup.grid[1] + columns;
    if (r >= 0 && c >= 0 && r < setup.grid[0] && c < setup.grid[1]) { cell = r * setup.grid[1] + c; show(); }
  }

  function onWords(event) {
    var rtl = getComputedStyle(element("words")).direction === "rtl";
    if (event.key === "ArrowRight" || event.key === "ArrowDown") moveWord(event, event.key === "ArrowRight" && rtl ? -1 : 1);
    else if (event.key === "ArrowLeft" || event.key === "ArrowUp") moveWord(event, event.key === "ArrowLeft" && rtl ? 1 : -1);
    else if (event.key === "Home") moveWord(event, -word);
    else if (event.key === "End") moveWord(event, post.words.length);
    else if (event.key === " ") { if (post.words.length) { anchor = word; change(marked, word, word, !marked.has(word)); } }
    else return false;
    return true;
  }

  function onGrid(event) {
    var steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    if (steps[event.key]) moveCell(steps[event.key][0], steps[event.key][1]);
    else if (event.key === " ") change(cells, cell, cell, !cells.has(cell));
    else return false;
    return true;
  }

  function onKey(event) {
    if (!post || event.ctrlKey || event.metaKey || event.altKey) return;
    var part = document.activeElement, taken = false;
    if (part === element("words")) taken = onWords(event);
    else if (part === element("grid")) taken = onGrid(event);
    // what opens, follows or presses by Enter keeps it
    if (!taken && !part.closest("button, summary, a, input, select, textarea") && event.key === "Enter") { next(); taken = true; }
    if (!taken && /^[1-9]$/.test(event.key)) { choose(Number(event.key) - 1); taken = true; }
    if (!taken && event.key.toLowerCase() === "p") { go(-1); taken = true; }
    if (!taken && event.key.toLowerCase() === "c") { clear(); taken = true; }
    if (taken) event.preventDefault();
  }

  document.addEventListener("keydown", onKey);
  element("words").addEventListener("click", function (event) {
    var target = event.target.closest(".word");
    if (!target) return;
    var i = Number(target.id.slice(5));
    if (event.shiftKey) { word = i; change(marked, anchor, i, true); } else { word = anchor = i; change(marked, i, i, !marked.has(i)); }
  });
  element("grid").addEventListener("click", function (event) {
    var target = event.target.closest(".cell");
    if (target) { cell = Number(target.id.slice(5)); change(cells, cell, cell, !cells.has(cell)); }
  });
  element("photo").addEventListener("error", function () {
    element("frame").hidden = true; element("no-photo").hidden = false; element("no-photo").textContent = "The photo cannot be shown; judge the text.";
  });
  element("back").addEventListener("click", function () { go(-1); });
  element("next").addEventListener("click", next);
  element("clear").addEventListener("click", clear);

  get("setup").then(function (found) {
    setup = found;
    for (var r = 0; r < setup.grid[0]; r++) {
      var row = document.createElement("div");
      row.className = "row"; row.setAttribute("role", "row");
      for (var c = 0; c < setup.grid[1]; c++) {
        var box = document.createElement("div");
        box.className = "cell"; box.id = "cell-" + (r * setup.grid[1] + c); box.setAttribute("role", "gridcell");
        box.setAttribute("aria-label", "row " + (r + 1) + ", column " + (c + 1));
        row.append(box);
      }
      element("grid").append(row);
    }
    element("label-part").hidden = !setup.labels.length;
    setup.labels.forEach(function (name, i) {
      var button = document.createElement("button");
      button.type = "button"; button.dataset.label = name; button.setAttribute("role", "radio");
      button.textContent = (i < 9 ? i + 1 + " " : "") + name.replaceAll("_", " ");
      button.addEventListener("click", function () { choose(i); });
      element("labels").append(button);
    });
    return open(setup.start);
  }).catch(lost);
})();
