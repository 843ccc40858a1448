"use strict";
// The slider of time says where it stands while it moves; the form, which also works without this, loads the rest.
(function () {
  var slider = document.getElementById("at");
  var said = document.getElementById("at-said");
  var part = document.getElementById("situation");
  if (!slider || !said || !part) return;
  document.querySelectorAll("[data-without-script]").forEach(function (button) { button.hidden = true; });

  function words() {
    var hours = -Number(slider.value);
    if (!hours) return "now";
    var days = Math.floor(hours / 24);
    return (days ? days + (days === 1 ? " day " : " days ") : "") + (hours % 24 || !days ? (hours % 24) + " h " : "") + "ago";
  }
  function tell() {
    said.textContent = words();
    slider.setAttribute("aria-valuetext", words());
  }
  slider.addEventListener("input", tell);
  slider.addEventListener("change", function () {
    // what is past does not renew itself
    if (Number(slider.value)) part.removeAttribute("data-live"); else part.setAttribute("data-live", "");
  });
  tell();
})();
