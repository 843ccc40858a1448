"use strict";
// What every page does: proof against forged requests, news from the server, and the keys that lead elsewhere.
(function () {
  var csrf = document.querySelector("meta[name='csrf']").content;
  var aloud = document.getElementById("aloud");
  var places = { q: "/queue", l: "/alerts", m: "/map", t: "/timeline", s: "/", d: "/model", a: "/admin" };
  var leading = 0;
  var seen = new Set();
  var most = 1000;

  document.addEventListener("htmx:config:request", function (event) {
    event.detail.ctx.request.headers["X-CSRF-Token"] = csrf;
  });

  // a request that failed must not replace what a person is reading
  document.addEventListener("htmx:before:swap", function (event) {
    var response = event.detail.ctx.response;
    if (!response || response.status < 400) return;
    event.preventDefault();
    say(detail(event.detail.ctx));
  });
  document.addEventListener("htmx:error", function () { say("The server did not answer. Nothing was changed; try again."); });

  // what the server says of a refusal, as a sentence
  function detail(ctx) {
    if (!ctx || !ctx.response) return "";
    if (ctx.response.status === 401) return "You are no longer signed in; load the page again.";
    try { return String(JSON.parse(ctx.text).detail).slice(0, 300); } catch (error) { return (ctx.text || "").slice(0, 300); }
  }

  function say(words) {
    aloud.textContent = words;
    aloud.classList.add("shown");
    window.setTimeout(function () { aloud.classList.remove("shown"); }, 8000);
  }
  window.crisislens = { say: say, csrf: csrf, detail: detail };

  function listen() {
    var kinds = ["post.accepted", "post.assessed", "post.reviewed"];
    var source = new EventSource("/v1/events?" + kinds.map(function (kind) { return "kind=" + kind; }).join("&"));
    var waiting = 0;
    function arrived(event) {
      // a post is new once: it is assessed by its text, then with its photo, then by a newer model
      if (event.type === "post.assessed" && seen.size < most) seen.add(JSON.parse(event.data).post_id);
      var fresh = document.getElementById("fresh");
      if (fresh && seen.size) {
        fresh.hidden = false;
        fresh.querySelector("span").textContent = seen.size < most ? seen.size + " new" : most + " and more";
      }
      // at most one refresh every two seconds, however fast posts arrive
      if (waiting) return;
      waiting = window.setTimeout(function () {
        waiting = 0;
        document.querySelectorAll("[data-live]").forEach(function (part) {
          if (!part.contains(document.activeElement) || document.activeElement === document.body) window.htmx.trigger(part, "refresh");
        });
      }, 2000);
    }
    kinds.forEach(function (kind) { source.addEventListener(kind, arrived); });
    window.addEventListener("pagehide", function () { source.close(); });
  }
  if (document.querySelector("[data-live], #fresh")) listen();

  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-reload]")) location.reload();
  });

  document.addEventListener("submit", function (event) {
    var sentence = event.target.dataset.confirm;
    if (sentence && !window.confirm(sentence)) { event.preventDefault(); event.stopImmediatePropagation(); }
  }, true);

  function typing(target) {
    return target.closest && target.closest("input:not([type='checkbox']):not([type='radio']), select, textarea, dialog[open]");
  }
  window.crisislens.typing = typing;
  // as the box *Keys* of the queue left it
  function keysOn() {
    var box = document.getElementById("keys-on");
    if (box) return box.checked;
    try { return localStorage.getItem("keys") !== "off"; } catch (error) { return true; }
  }
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || !keysOn()) return;
    if (leading && Date.now() - leading < 1500 && places[event.key]) {
      leading = 0;
      event.stopImmediatePropagation();
      event.preventDefault();
      location.assign(places[event.key]);
      return;
    }
    leading = event.key === "g" ? Date.now() : 0;
  });
})();
