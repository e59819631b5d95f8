// Counts the session's time down as the store does, and says when it is over.
//
// The page knows how long the store keeps the session from the moment of the answer, so the count starts when the
// answer arrived, not when this script runs. The other tabs share the cookie: what one of them learns by a visit
// (more time for this session, another session, or none) it tells the others.
(() => {
  "use strict";
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("cloakroom-session") : null;
  const session = document.getElementById("session");
  if (!session) {
    channel?.postMessage({ id: null, endsAt: 0 });
    return;
  }
  const left = Number(session.dataset.leftMs ?? NaN);
  if (Number.isNaN(left)) return;

  const seconds = document.getElementById("seconds");
  const bar = document.getElementById("bar");
  const ended = document.getElementById("ended");
  const id = session.querySelector("code").textContent;
  const [navigation] = performance.getEntriesByType("navigation");
  const arrived = navigation?.responseStart > 0 ? performance.timeOrigin + navigation.responseStart : Date.now();
  let endsAt = arrived + left;
  let timer;

  const show = () => {
    clearTimeout(timer);
    const rest = endsAt - Date.now();
    const over = rest <= 0;
    if (over !== session.hidden) {
      session.hidden = over;
      ended.hidden = !over;
      if (over) document.title = "Session ended \u00b7 cloakroom";
    }
    if (over) return;
    const text = String(Math.ceil(rest / 1000));
    if (seconds.textContent !== text) seconds.textContent = text;
    bar.value = rest;
    timer = setTimeout(show, Math.min(100, rest));
  };

  channel?.addEventListener("message", ({ data }) => {
    endsAt = data.id === id ? data.endsAt : 0;
    show();
  });
  channel?.postMessage({ id, endsAt });
  document.addEventListener("visibilitychange", show);
  window.addEventListener("pageshow", show);
  show();
})();
