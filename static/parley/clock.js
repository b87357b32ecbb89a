// Time left, counted down where it stands: every element with data-until, in the server's words and by the server's clock.
(() => {
  const SESSION = 24 * 3600; // seconds
  const closed = document.querySelector('#words [data-word="closed"]').textContent;
  let ahead = 0; // how far the server's clock is ahead of ours, in milliseconds

  function words(seconds) {
    const minutes = Math.ceil(seconds / 60);
    if (minutes <= 0) return closed;
    if (minutes < 60) return `${minutes} min`;
    return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
  }

  function urgency(seconds) {
    if (seconds <= 0) return "over";
    if (seconds <= SESSION / 20) return "last";
    return seconds <= SESSION / 5 ? "soon" : "calm";
  }

  function tick() {
    const now = Date.now() + ahead;
    for (const element of document.querySelectorAll("[data-until]")) {
      const seconds = Math.floor((Date.parse(element.dataset.until) - now) / 1000);
      const text = words(seconds);
      if (element.textContent !== text) element.textContent = text;
      const name = `p-left p-left--${urgency(seconds)}`;
      if (element.className !== name) element.className = name;
    }
  }

  function setClock() {
    const tabs = document.querySelector("[data-now]");
    if (tabs) ahead = Date.parse(tabs.dataset.now) - Date.now();
  }

  setClock();
  tick();
  setInterval(tick, 5000);
  document.addEventListener("parley:applied", () => {
    setClock();
    tick();
  });
})();
