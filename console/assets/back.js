/* One press of Back undoes one click. Streamlit puts an entry into the browser's history for each parameter that a page
   writes to its address, eight of them on some: whoever goes back would stay on the page they want to leave. Of what
   follows one click only the first is a step; the rest, and what no click asked for, renews the entry that is there. */
(() => {
  "use strict";
  const push = history.pushState.bind(history);
  const renew = history.replaceState.bind(history);
  let clicked = false;
  for (const kind of ["click", "keydown"]) addEventListener(kind, () => { clicked = true; }, true);
  addEventListener("popstate", () => { clicked = false; }, true);
  history.pushState = (state, title, address) => {
    (clicked ? push : renew)(state, title, address);
    clicked = false;
  };
})();
