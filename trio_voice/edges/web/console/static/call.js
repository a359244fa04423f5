"use strict";
// The page of a live call is fetched anew every two seconds: htmx puts the keyboard back where it was, and what somebody
// has unfolded stays so.
(() => {
  let isOpen = false;
  document.body.addEventListener("toggle", (event) => { if (event.target.id === "figures") isOpen = event.target.open; }, true);
  document.body.addEventListener("htmx:afterSwap", () => {
    const figures = document.getElementById("figures");
    if (figures) figures.open = isOpen;
  });
})();
