(function () {
  "use strict";
  var items = Array.prototype.slice.call(document.querySelectorAll(".item")), at = 0, study = document.body.dataset.study, answers = {};
  var place = "crisislens-study-" + study;
  // a page opened from a disk may have no storage; the answers then live until it is closed
  try { answers = JSON.parse(localStorage.getItem(place) || "{}"); } catch (error) { answers = {}; }

  function show() {
    items.forEach(function (item, i) {
      item.hidden = i !== at;
      Array.prototype.forEach.call(item.querySelectorAll("[data-answer]"), function (b) {
        b.setAttribute("aria-checked", String(answers[item.dataset.item] === b.dataset.answer));
      });
    });
    document.getElementById("progress").textContent = "Post " + (at + 1) + " of " + items.length + ", " + Object.keys(answers).length + " answered.";
  }

  function move(step) { at = Math.min(items.length - 1, Math.max(0, at + step)); show(); }

  function answer(value) {
    answers[items[at].dataset.item] = value;
    try { localStorage.setItem(place, JSON.stringify(answers)); } catch (error) { /* see above */ }
    move(1);
  }

  document.addEventListener("keydown", function (event) {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
    var value = { 1: "left", 2: "right", 3: "same" }[event.key];
    if (value) answer(value);
    else if (event.key === "ArrowRight") move(1);
    else if (event.key === "ArrowLeft") move(-1);
  });
  document.addEventListener("click", function (event) {
    var choice = event.target.closest("[data-answer]");
    if (choice) answer(choice.dataset.answer);
  });
  document.getElementById("save").addEventListener("click", function () {
    var text = JSON.stringify({ study: study, rater: document.getElementById("rater").value, answers: answers });
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "answers-" + (document.getElementById("rater").value || "rater").replace(/[^\w-]+/g, "_") + ".json";
    link.click();
  });
  show();
})();
