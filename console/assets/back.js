/* One press of Back undoes one click. Streamlit puts an entry into the browser's history for each parameter that a page
   writes to its address, eight of them on some: whoever goes back would stay on the page they want to leave. Of what
   follows one click only the first is a step; the rest, and what no click asked for, renews the entry that is there.
   A click is over, address or not, once the page's script has run for it, or when it asked the server for nothing. */
(() => {
  "use strict";
  const MOMENT = 1000; // ms: widgets wait less for more typing, and a script that starts over takes less to do so
  const push = history.pushState.bind(history);
  const renew = history.replaceState.bind(history);
  let clicked = false, asked = false, began = false, timer = 0;
  const forget = () => { clicked = asked = began = false; clearTimeout(timer); };
  const soon = () => { clearTimeout(timer); timer = setTimeout(forget, MOMENT); };
  const click = () => {
    clicked = true;
    if (!asked) soon(); // else somebody is impatient: what the first click asked for is still to come
  };
  for (const kind of ["click", "keydown"]) addEventListener(kind, click, true);
  addEventListener("popstate", forget, true);
  history.pushState = (state, title, address) => {
    (clicked ? push : renew)(state, title, address);
    forget();
  };
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (message) {
    if (clicked && !asked) { asked = true; clearTimeout(timer); }
    return send.call(this, message);
  };
  const STATE = "data-test-script-state";
  new MutationObserver(([{ target }]) => {
    if (!asked) return;
    if (target.getAttribute(STATE) !== "notRunning") { began = true; clearTimeout(timer); }
    // A script that was running when the click came has not run for it: the next one will.
    else if (began) soon();
  }).observe(document, { subtree: true, attributes: true, attributeFilter: [STATE] });
})();
