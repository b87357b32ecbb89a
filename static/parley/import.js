// The page of an import: while it runs, its part is asked for every few seconds and put in place when it changed.
(() => {
  const root = document.querySelector("[data-import]");
  if (!root) return;
  let tag = "";
  const part = () => root.querySelector('[data-part="import"]');
  const look = async () => {
    const answer = await fetch(root.dataset.import, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
    if (answer.redirected) return location.reload(); // the log-in has run out
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    tag = answer.headers.get("ETag") ?? "";
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector('[data-part="import"]');
    if (fresh && fresh.outerHTML !== part().outerHTML) part().replaceWith(document.adoptNode(fresh));
  };
  const next = () => {
    const seconds = Number(part().dataset.seconds);
    if (seconds) setTimeout(tick, 1000 * (document.hidden ? Math.max(seconds, 20) : seconds));
  };
  const tick = () => look().catch((error) => console.warn("no news:", error.message)).finally(next);
  next();
})();
