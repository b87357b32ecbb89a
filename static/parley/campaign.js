// The campaign page: a draft shows at once who would get it; a running campaign shows its news every few seconds.
// Parts are replaced in place, and only when they changed: scroll and focus stay where they are.
(() => {
  const root = document.querySelector(".p-campaign");
  if (!root) return;
  let place = Number(new URLSearchParams(location.search).get("place")) || 1; // whose phone is shown

  // What was chosen and written while the answer was on its way stays as it is.
  const keepWritten = (old, fresh) => {
    for (const field of old.querySelectorAll("[name]")) {
      const twin = fresh.querySelector(`[name="${CSS.escape(field.name)}"]`);
      if (!twin || twin.value === field.value) continue;
      if (twin.options && ![...twin.options].some((one) => one.value === field.value)) continue;
      twin.value = field.value;
      if (twin.options) explain(twin, fresh);
    }
  };

  const explain = (choice, within) => {
    const help = within.querySelector(`[data-for="${choice.id}"]`);
    for (const one of help?.children ?? []) one.hidden = (one.dataset.when === "constant") !== (choice.value === "constant");
  };

  const put = (html) => {
    const news = new DOMParser().parseFromString(html, "text/html");
    for (const fresh of news.querySelectorAll("[data-part]")) {
      const old = root.querySelector(`[data-part="${fresh.dataset.part}"]`);
      if (!old || old.innerHTML === fresh.innerHTML) continue;
      if (fresh.dataset.shape !== undefined) {
        if (fresh.dataset.shape === old.dataset.shape) continue; // somebody may be writing in it
        old.dataset.shape = fresh.dataset.shape;
        keepWritten(old, fresh);
      }
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      const before = new Map([...old.querySelectorAll("[data-watch]")].map((one) => [one.dataset.watch, one.textContent]));
      old.replaceChildren(...fresh.childNodes);
      for (const one of old.querySelectorAll("[data-watch]")) {
        if (before.has(one.dataset.watch) && before.get(one.dataset.watch) !== one.textContent) one.classList.add("p-new");
      }
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    }
    return news;
  };

  // ---- A draft: what the form says now ----

  const form = root.querySelector("form#campaign");
  let asking = null;
  let timer = 0;
  const preview = async () => {
    asking?.abort();
    asking = new AbortController();
    const body = new FormData(form);
    body.set("place", place);
    try {
      const answer = await fetch(root.dataset.preview, { method: "POST", body, signal: asking.signal });
      if (answer.ok && !answer.redirected) put(await answer.text());
    } catch (error) {
      if (error.name !== "AbortError") console.warn("no preview:", error.message);
    }
  };
  const soon = (event) => {
    if (["name", "tolerance_minutes"].includes(event.target.name)) return;
    clearTimeout(timer);
    timer = setTimeout(preview, event.type === "change" ? 0 : 400);
  };
  if (form) {
    form.addEventListener("input", soon);
    form.addEventListener("change", soon);
    form.addEventListener("change", (event) => explain(event.target, root));
  }

  // The server may not know this clock yet: the first page after the log-in is written on another.
  const clock = root.querySelector('input[name="zone"]');
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (clock && here && clock.value !== here) {
    const time = root.querySelector('[name="scheduled_at"]');
    const saved = time.dataset.at ? new Date(time.dataset.at) : null;
    if (!time.value || saved) {
      if (saved) time.value = new Date(saved - saved.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
      clock.value = here;
      for (const one of root.querySelectorAll("[data-zone]")) one.textContent = here;
    }
  }

  // ---- Everything else: its news ----

  let seconds = Number(root.dataset.seconds) || 0;
  let tag = "";
  const look = async () => {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await fetch(`${root.dataset.live}?place=${place}`, { headers, cache: "no-store" });
    if (answer.status === 204 || answer.redirected) return location.reload();
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    tag = answer.headers.get("ETag") ?? "";
    const lead = put(await answer.text()).querySelector('[data-part="lead"]');
    seconds = Number(lead?.dataset.seconds) || 0;
  };
  const next = () => {
    if (seconds) setTimeout(tick, 1000 * (document.hidden ? Math.max(seconds, 20) : seconds));
  };
  const tick = () => look().catch((error) => console.warn("no news:", error.message)).finally(next);
  next();

  // ---- The phone: flip through people ----

  root.addEventListener("click", (event) => {
    const flip = event.target.closest("[data-flip]");
    if (!flip || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    place = Number(flip.dataset.flip);
    if (form) preview();
    else look().catch(() => location.assign(flip.href));
  });
})();
