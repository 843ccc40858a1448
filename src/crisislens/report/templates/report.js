// Filters, order and theme. The state lives in the address (#damage=severe_damage&q=bridge), so that a view can be shared.
// No markup is ever made from a post: cards are hidden, shown and moved as they stand.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.remove("no-js");
  root.classList.add("js");
  var form = document.getElementById("filters");
  var list = document.getElementById("cards");
  var count = document.getElementById("count");
  var nothing = document.getElementById("nothing");
  var themes = ["system", "light", "dark"];
  var theme = "system";
  var fields = Array.prototype.filter.call(form.elements, function (field) { return field.name; });
  var order = "";

  // without case and accents, so that "inundacion" finds "inundación"
  function fold(text) { return text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase(); }

  var cards = Array.prototype.map.call(list ? list.children : [], function (element) {
    var data = element.dataset;
    var words = Array.prototype.map.call(element.querySelectorAll(".find"), function (part) { return part.textContent; });
    return { element: element, data: data, rank: +data.rank, time: data.time === undefined ? null : +data.time, text: fold(words.join("\n")) };
  });

  function value(field) { return field.type === "checkbox" ? (field.checked ? field.value : "") : field.value === "0" && field.type === "range" ? "" : field.value; }

  function state() {
    var found = {};
    fields.forEach(function (field) { if (value(field)) found[field.name] = value(field); });
    return found;
  }

  function put(wanted) {
    fields.forEach(function (field) {
      var given = wanted[field.name] || "";
      if (field.type === "checkbox") field.checked = given === field.value;
      else if (field.type === "range") field.value = given || "0";
      else field.value = given;
      if (field.tagName === "SELECT" && field.selectedIndex < 0) field.selectedIndex = 0;
    });
  }

  function fromAddress() {
    var found = {};
    new URLSearchParams(location.hash.slice(1)).forEach(function (given, name) { found[name] = given; });
    return found;
  }

  function toAddress(wanted) {
    var query = new URLSearchParams(wanted);
    if (theme !== "system") query.set("theme", theme);
    var text = query.toString();
    if (location.hash.slice(1) === text) return;
    try { history.replaceState(null, "", text ? "#" + text : location.pathname + location.search); } catch (refused) { location.hash = text; }
  }

  function fits(card, wanted, words) {
    var data = card.data, least = +(wanted.confidence || 0) / 100, chosen = 0, kept = true;
    var tasks = fields.filter(function (field) { return field.dataset.task !== undefined; });
    tasks.forEach(function (field) {
      if (!wanted[field.name]) return;
      chosen += 1;
      if (data["answer-" + field.dataset.task].indexOf("|" + wanted[field.name] + "|") < 0) kept = false;
    });
    tasks.forEach(function (field) {
      if ((!chosen || wanted[field.name]) && +data["confidence-" + field.dataset.task] < least) kept = false;
    });
    var unsure = +data.unsure > 0;
    return kept && (wanted.unsure !== "hide" || !unsure) && (wanted.unsure !== "only" || unsure) &&
      (wanted.unsure !== "unread" || data.unread === "1") &&
      (!wanted.photo || data.photo === wanted.photo) && (!wanted.language || data.language === wanted.language) &&
      (!wanted.event || data.event === wanted.event) &&
      (!wanted.from || (card.time !== null && card.time >= Date.parse(wanted.from + "Z"))) &&
      (!wanted.until || (card.time !== null && card.time < Date.parse(wanted.until + "Z"))) &&
      words.every(function (word) { return card.text.indexOf(word) >= 0; });
  }

  function arrange(wanted) {
    if (order === wanted) return;
    order = wanted;
    var sign = wanted === "newest" ? -1 : 1;
    cards.slice().sort(function (a, b) {
      if (!wanted || a.time === b.time) return a.rank - b.rank;
      if (a.time === null || b.time === null) return a.time === null ? 1 : -1;
      return sign * (a.time - b.time);
    }).forEach(function (card) { list.appendChild(card.element); });
  }

  // marks the links of the overview that lead to the present view; returns their count of posts in the whole run
  function mark(wanted) {
    var whole = "", labels = new URLSearchParams(wanted);
    labels.delete("sort");
    labels.delete("photos");
    Array.prototype.forEach.call(document.querySelectorAll("[data-posts]"), function (link) {
      var same = new URLSearchParams(link.hash.slice(1)).toString() === labels.toString();
      if (same) whole = link.dataset.posts;
      if (same) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    });
    return whole;
  }

  function show() {
    var wanted = state(), shown = 0;
    var words = fold(wanted.q || "").split(/\s+/).filter(Boolean);
    cards.forEach(function (card) {
      var kept = fits(card, wanted, words);
      card.element.hidden = !kept;
      shown += kept;
    });
    if (list) arrange(wanted.sort || "");
    root.classList.toggle("photos-off", wanted.photos === "off");
    var set = Object.keys(wanted).filter(function (name) { return name !== "sort" && name !== "photos"; }).length;
    var whole = mark(wanted);
    count.textContent = !set ? cards.length + " posts listed." : shown + " of " + cards.length + " listed posts fit the filters" +
      (whole ? "; the run has " + whole + " such posts, counting near-duplicates and those not listed." : ".");
    document.getElementById("filters-set").textContent = set ? " (" + set + " set)" : "";
    nothing.hidden = shown > 0 || !cards.length;
    document.getElementById("confidence-shown").textContent = (wanted.confidence || "0") + "%";
    fields.forEach(function (field) { field.classList.toggle("set", field.type !== "checkbox" && !!value(field)); });
    return wanted;
  }

  function paint() {
    if (theme === "system") root.removeAttribute("data-theme"); else root.dataset.theme = theme;
    document.querySelector("#theme span").textContent = theme;
  }

  function read() {
    var wanted = fromAddress();
    theme = themes.indexOf(wanted.theme) > 0 ? wanted.theme : "system";
    paint();
    put(wanted);
    show();
  }

  function filter(wanted) {
    put(wanted);
    toAddress(show());
  }

  function go(id) {
    var target = document.getElementById(id);
    if (!target) return false;
    var card = target.closest(".card");
    if (card && card.hidden) filter({});
    target.scrollIntoView();
    target.focus({ preventScroll: true });
    return true;
  }

  form.addEventListener("input", function () { toAddress(show()); });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function (event) { event.preventDefault(); filter({}); });
  document.getElementById("clear").addEventListener("click", function () { filter({}); });
  document.getElementById("theme").addEventListener("click", function () {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    paint();
    toAddress(state());
  });
  window.addEventListener("hashchange", function () { if (location.hash.indexOf("=") > 0 || location.hash.length < 2) read(); });
  document.addEventListener("click", function (event) {
    var link = event.target.closest("a[href^='#']");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      if (link.hash.indexOf("=") < 0) { go(link.hash.slice(1)); return; }
      var wanted = {};
      new URLSearchParams(link.hash.slice(1)).forEach(function (given, name) { wanted[name] = given; });
      filter(wanted);
      go("posts");
      return;
    }
    var slot = event.target.closest(".slot");
    if (slot) {
      var times = state();
      times.from = slot.dataset.from;
      times.until = slot.dataset.until;
      filter(times);
      go("posts");
      return;
    }
    var zoom = event.target.closest(".zoom");
    if (zoom) {
      var large = zoom.closest(".card").classList.toggle("large");
      zoom.setAttribute("aria-pressed", String(large));
    }
  });
  window.addEventListener("beforeprint", function () { document.querySelector(".caveat details").open = true; });
  var narrow = window.matchMedia("(max-width: 900px)").matches;
  read();
  if (narrow) document.querySelector(".filters").open = false;
  if (location.hash.length > 1 && location.hash.indexOf("=") > 0 && Object.keys(state()).length) document.getElementById("posts").scrollIntoView();
})();
