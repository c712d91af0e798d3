// Puts right what the theme and the bibliography tell screen readers wrongly.

document.addEventListener("DOMContentLoaded", () => {
  // The search button reads "Search Ctrl + K" and is labelled "Search": who steers by voice needs both to agree.
  for (const button of document.querySelectorAll(".search-button-field")) button.removeAttribute("aria-label");
  // The button for light and dark has a label; the titles of its icons say something else.
  for (const icon of document.querySelectorAll(".theme-switch-button i")) {
    icon.removeAttribute("title");
    icon.setAttribute("aria-hidden", "true");
  }
  // The triangles that open a part of the contents have no name.
  for (const icon of document.querySelectorAll("summary > .toctree-toggle")) {
    icon.parentElement.setAttribute("aria-label", "pages of this part");
  }
  // A folded cell says "Show code cell" and is labelled "Toggle hidden content".
  for (const fold of document.querySelectorAll("summary[aria-label='Toggle hidden content']")) {
    fold.removeAttribute("aria-label");
  }
  // A formula that is wider than the screen scrolls; the keyboard has to get there, too.
  for (const formula of document.querySelectorAll(".katex-display")) {
    if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
  }
  // A "list" whose items are none.
  for (const list of document.querySelectorAll(".citation-list[role]")) list.removeAttribute("role");
  for (const entry of document.querySelectorAll("[role='doc-biblioentry']")) entry.removeAttribute("role");
});
