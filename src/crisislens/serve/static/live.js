"use strict";
// What every page does: proof against forged requests, news from the server, and the keys that lead elsewhere.
(function () {
  var csrf = document.querySelector("meta[name='csrf']").content;
  var aloud = document.getElementById("aloud");
  var places = { q: "/queue", l: "/alerts", m: "/map", t: "/timeline", s: "/", d: "/model", a: "/admin" };
  var leading = 0;
  var seen = new Set();
  var most = 1000;
  var hiding = 0;

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

  // words go after a while; what must be known for as long as it lasts stays until something else is said
  function say(words, stays) {
    aloud.textContent = words;
    aloud.classList.add("shown");
    window.clearTimeout(hiding);
    if (!stays) hiding = window.setTimeout(function () { aloud.classList.remove("shown"); }, 8000);
  }
  window.crisislens = { say: say, csrf: csrf, detail: detail };

  function listen() {
    var kinds = ["post.accepted", "post.assessed", "post.reviewed"];
    var address = "/v1/events?" + kinds.map(function (kind) { return "kind=" + kind; }).join("&");
    var source = null;
    var last = "";
    var stale = document.hidden;
    var failures = 0;
    var told = false;
    var shortest = 10000;
    var longest = 60000;
    var pause = shortest;
    var again = 0;
    var waiting = 0;

    function renew() {
      document.querySelectorAll("[data-live]").forEach(function (part) {
        if (!part.contains(document.activeElement) || document.activeElement === document.body) window.htmx.trigger(part, "refresh");
      });
    }
    // at most one refresh every two seconds, however fast posts arrive
    function soon() {
      if (waiting) return;
      waiting = window.setTimeout(function () {
        waiting = 0;
        renew();
      }, 2000);
    }
    function arrived(event) {
      last = event.lastEventId;
      // a post is new once: it is assessed by its text, then with its photo, then by a newer model
      if (event.type === "post.assessed" && seen.size < most) seen.add(JSON.parse(event.data).post_id);
      var fresh = document.getElementById("fresh");
      if (fresh && seen.size) {
        fresh.hidden = false;
        fresh.querySelector("span").textContent = seen.size < most ? seen.size + " new" : most + " and more";
      }
      soon();
    }

    function opened() {
      failures = 0;
      pause = shortest;
      if (told) say("This page renews itself again.");
      told = false;
      if (stale) renew();
      stale = false;
    }
    function failed(event) {
      if (event.target !== source) return;
      var closed = source.readyState === EventSource.CLOSED;
      stale = true;
      failures += 1;
      // one failure is the end that every stream has: the browser comes back by itself
      if ((closed || failures > 1) && !told) {
        told = true;
        say("This page does not renew itself for now; it tries again.", true);
      }
      // from a stream that was refused a browser stays away for good
      if (!closed) return;
      source = null;
      again = window.setTimeout(open, pause);
      pause = Math.min(2 * pause, longest);
    }
    function open() {
      window.clearTimeout(again);
      if (source || document.hidden) return;
      // who was away goes on after the last that was heard
      source = new EventSource(address + (last ? "&since=" + last : ""));
      kinds.forEach(function (kind) { source.addEventListener(kind, arrived); });
      // some of what came meanwhile is no longer kept, and will not be told
      source.addEventListener("gap", soon);
      source.addEventListener("open", opened);
      source.addEventListener("error", failed);
    }
    function close() {
      window.clearTimeout(again);
      if (source) source.close();
      source = null;
      stale = true;
    }
    // what a reviewer takes is new no more
    document.addEventListener("submit", function (event) {
      if (event.target.id !== "take") return;
      seen.clear();
      document.getElementById("fresh").hidden = true;
    });
    // a browser has six connections to a host, and pages that nobody sees would take them all
    document.addEventListener("visibilitychange", function () {
      if (document.hidden) close(); else open();
    });
    window.addEventListener("pagehide", close);
    window.addEventListener("pageshow", open);
    open();
  }
  // a part of the past may become one of now, so whatever can be refreshed is listened for
  if (document.querySelector("[hx-trigger='refresh'], #fresh")) listen();

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
