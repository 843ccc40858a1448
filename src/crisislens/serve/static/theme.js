"use strict";
// before the page is painted, so that a dark page never flashes white
(function () {
  var themes = ["system", "light", "dark"];
  var root = document.documentElement;
  var chosen = "system";
  try { chosen = localStorage.getItem("theme") || "system"; } catch (error) { /* storage is off: the system's */ }

  function paint() {
    if (themes.indexOf(chosen) > 0) root.dataset.theme = chosen; else root.removeAttribute("data-theme");
    var button = document.getElementById("theme");
    if (button) button.querySelector("span").textContent = chosen;
  }

  paint();
  document.addEventListener("DOMContentLoaded", function () {
    paint();
    document.getElementById("theme").addEventListener("click", function () {
      chosen = themes[(themes.indexOf(chosen) + 1) % themes.length];
      try { localStorage.setItem("theme", chosen); } catch (error) { /* for this page only */ }
      paint();
    });
  });
})();
