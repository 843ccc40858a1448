"use strict";
// The keyboard of a reviewer. Every key presses a button that is there for mouse and touch too, so that nothing can be done
// by key alone. The server answers with the post's new state; the next post is in hand before it has answered.
(function () {
  var hand = document.getElementById("hand");
  var take = document.getElementById("take");
  var keys = document.getElementById("keys");
  var switched = document.getElementById("keys-on");
  var tally = document.getElementById("tally");
  var done = [];
  var asked = false;
  var began = 0;
  if (!hand || !take) return;

  try { switched.checked = localStorage.getItem("keys") !== "off"; } catch (error) { /* stays on */ }
  switched.addEventListener("change", function () {
    try { localStorage.setItem("keys", switched.checked ? "on" : "off"); } catch (error) { /* for this page only */ }
  });

  function items() { return Array.prototype.slice.call(hand.querySelectorAll(".item")); }
  function current() { return hand.querySelector(".item.current"); }
  function open(item) { return ["reviewed", "later", "refused"].indexOf(item.dataset.state) < 0; }

  function choose(item, quiet) {
    if (!item) return;
    var before = current();
    if (before && before !== item) { before.classList.remove("current"); before.removeAttribute("aria-current"); }
    item.classList.add("current");
    item.setAttribute("aria-current", "true");
    if (!quiet) item.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest" });
    if (item.querySelector(".task:not([hidden]) ~ .task:not([hidden])")) showTask(item, 0);
  }

  function showTask(item, step) {
    var tasks = Array.prototype.slice.call(item.querySelectorAll(".task"));
    if (!tasks.length) return;
    var at = tasks.findIndex(function (task) { return !task.hidden && task.classList.contains("asked"); });
    at = at < 0 ? 0 : (at + step) % tasks.length;
    tasks.forEach(function (task, index) {
      task.hidden = index !== at;
      task.classList.toggle("asked", index === at);
    });
  }

  function move(step) {
    var list = items();
    var at = list.indexOf(current());
    var next = list[Math.max(0, Math.min(list.length - 1, at + step))];
    choose(next);
    if (list.length - list.indexOf(next) < 4) more();
  }

  function onward(item) {
    var list = items();
    var at = list.indexOf(item);
    var next = list.slice(at + 1).find(open) || list.slice(0, at).find(open);
    if (next) choose(next);
    if (list.filter(open).length < 5) more();
  }

  function more() {
    if (asked) return;
    asked = true;
    take.requestSubmit();
    window.setTimeout(function () { asked = false; }, 1500);
  }

  function count() {
    if (!began) return;
    var minutes = Math.max((Date.now() - began) / 60000, 1 / 60);
    var reviewed = done.filter(function (one) { return !one.later; }).length;
    tally.textContent = reviewed + " reviewed, " + (reviewed / minutes).toFixed(0) + " a minute";
  }

  // what this page can undo, the last at the end
  function forget(item) { done = done.filter(function (one) { return one.id !== item.dataset.id; }); }
  function remember(item) {
    forget(item);
    done.push({ id: item.dataset.id, later: item.dataset.state === "later" });
  }

  function press(item, key) {
    var inTask = item.querySelector(".task:not([hidden]) [data-key='" + key + "']");
    // a question that is not on the screen is not answered by a key
    var button = inTask || item.querySelector("[data-key='" + key + "']:not(.task *)");
    if (button) button.click();
    return !!button;
  }

  function undo() {
    var last = done[done.length - 1];
    // nothing of this page: the server knows what this person said last
    if (!last) { document.getElementById("undo-last").requestSubmit(); return; }
    var item = document.getElementById("item-" + last.id);
    var button = item && item.querySelector("[data-key='z']");
    // what the server knows of by now is an older review, which is not meant
    if (!button) { window.crisislens.say("The server has not answered yet; press z again."); return; }
    choose(item);
    button.click();
  }

  // a choice: the person goes on at once; an undo, by key or mouse: the next undo is of the one before
  hand.addEventListener("submit", function (event) {
    var item = event.target.closest(".item");
    if (!item) return;
    if (event.target.classList.contains("done")) { forget(item); count(); return; }
    if (!event.target.classList.contains("choose")) return;
    began = began || Date.now();
    var later = event.submitter && event.submitter.value === "later";
    item.dataset.was = item.dataset.state;
    item.dataset.state = later ? "later" : "reviewed";
    remember(item);
    onward(item);
    count();
  });

  // what was refused was not kept: it must not look as if it were
  function refused(event) {
    var from = event.detail.ctx && event.detail.ctx.sourceElement;
    var item = from && from.closest && from.closest(".item");
    if (!item) return;
    var status = event.detail.ctx.response && event.detail.ctx.response.status;
    // an undo that failed may be tried again, unless there is nothing to undo
    if (from.classList.contains("done")) { if (status !== 404) remember(item); count(); return; }
    if (!item.dataset.was) return;
    forget(item);
    // held or gone: no longer ours; else it may be tried again
    item.dataset.state = status === 409 || status === 404 ? "refused" : item.dataset.was;
    var line = item.querySelector(".refused") || item.querySelector(".act").insertBefore(document.createElement("p"), item.querySelector(".act").firstChild);
    line.className = "refused";
    line.textContent = "Not kept: " + (window.crisislens.detail(event.detail.ctx) || "the server did not answer; try again.");
    count();
  }
  document.addEventListener("htmx:before:swap", function (event) {
    if (event.detail.ctx.response && event.detail.ctx.response.status >= 400) refused(event);
  });
  document.addEventListener("htmx:error", refused);

  // what the server sends takes the item's place; keep what the person was at
  document.addEventListener("htmx:after:swap", function () {
    // what is open again was taken back, also by the button below the posts
    items().filter(open).forEach(forget);
    count();
    if (!current()) {
      var list = items();
      var last = done[done.length - 1];
      var back = last && list.find(function (item) { return item.dataset.id === last.id; });
      choose(list.find(open) || back || list[0], true);
    }
    items().forEach(function (item) { if (!item.querySelector(".task.asked")) showTask(item, 0); });
    document.querySelectorAll("#hand .nothing").forEach(function (line, index) { if (index || items().length) line.remove(); });
  });

  hand.addEventListener("click", function (event) {
    var item = event.target.closest(".item");
    if (item && !event.target.closest("a, summary")) choose(item, true);
    var nextTask = event.target.closest("[data-next-task]");
    if (nextTask) showTask(item, 1);
    var shown = event.target.closest("[aria-expanded]");
    if (shown) {
      var place = document.getElementById(shown.getAttribute("aria-controls"));
      if (shown.getAttribute("aria-expanded") === "true") {
        event.stopImmediatePropagation();
        place.textContent = "";
        shown.setAttribute("aria-expanded", "false");
      } else shown.setAttribute("aria-expanded", "true");
    }
  }, true);

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !switched.checked) return;
    if (window.crisislens.typing(event.target)) {
      if (event.key === "Escape" && !keys.open) { event.target.blur(); choose(current() || items()[0]); }
      return;
    }
    // a focused button or link keeps its own Enter
    if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
    var item = current();
    if (event.key === "j" || event.key === "ArrowDown" && event.target.closest(".item")) move(1);
    else if (event.key === "k" || event.key === "ArrowUp" && event.target.closest(".item")) move(-1);
    else if (event.key === "?") keys.showModal();
    else if (event.key === "/") { document.querySelector(".filters").open = true; document.getElementById("search").focus(); }
    else if (event.key === "z") undo();
    else if (item && open(item) && /^([1-9]|c|u|s|t|d|y|Enter)$/.test(event.key)) { if (!press(item, event.key)) window.crisislens.say(event.key === "c" ? "The model is not sure here; choose an answer." : "This key does nothing here."); }
    else return;
    event.preventDefault();
  });

  items().forEach(function (item) { showTask(item, 0); });
  // before that htmx has not taken hold of the form: the browser would send it itself and load this page again,
  // which would ask again, without end
  if (items().length) choose(items()[0], true);
  else document.addEventListener("DOMContentLoaded", function () { window.setTimeout(more, 0); });
  document.documentElement.classList.add("keys-ready");
})();
