// The box one answers in: Enter sends, once; what is not sent yet is kept in this browser, per person and conversation.
(() => {
  const inbox = document.querySelector("[data-inbox]");
  const word = (name) => document.querySelector(`#words [data-word="${name}"]`).textContent;
  const SHOW_ROOM_BELOW = 300; // characters left
  const onTheirWay = new Set(); // conversations whose answer has not been acknowledged yet

  const composer = () => document.querySelector('[data-part="composer"]');
  const form = () => composer().querySelector("[data-answer]");
  const name = () => `parley:draft:${inbox.dataset.user}:${composer().dataset.conversation}`;

  function keptDraft() {
    try {
      return JSON.parse(localStorage.getItem(name())) || { text: "" };
    } catch {
      return { text: "" };
    }
  }

  function keep(draft) {
    if (draft.text) localStorage.setItem(name(), JSON.stringify(draft));
    else localStorage.removeItem(name());
  }

  function newToken() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // A box has just been drawn, by the page or anew: give it what was kept.
  function prepare() {
    const kept = composer().querySelector("[data-kept]");
    const text = form()?.elements.text;
    if (text) {
      if (text.value && !keptDraft().text) keep({ text: text.value });
      if (!text.value) text.value = keptDraft().text;
      measure();
    } else if (kept) {
      const draft = kept.querySelector("textarea").value || keptDraft().text;
      kept.querySelector("textarea").value = draft;
      kept.hidden = !draft;
    }
  }

  function measure() {
    const limit = Number(form().dataset.limit);
    const left = limit - [...form().elements.text.value.trim()].length; // people count characters, not UTF-16 units
    const room = form().querySelector("[data-room]");
    room.textContent = left < 0 ? word("over").replace("{n}", (-left).toLocaleString("en")) : word("room").replace("{n}", left);
    room.hidden = left > SHOW_ROOM_BELOW;
    room.classList.toggle("p-composer__room--over", left < 0);
  }

  function complain(text) {
    const place = composer().querySelector("[data-problem]");
    if (place) place.textContent = text;
  }

  // The token of an earlier try of the same words, so that a retry after a lost connection arrives once.
  function tokenFor(text) {
    const draft = keptDraft();
    return draft.tried === text && draft.token ? draft.token : newToken();
  }

  async function send() {
    const target = form();
    const text = target.elements.text.value;
    const button = target.querySelector("[data-send]");
    const conversation = name();
    if (onTheirWay.has(conversation)) return;
    if (!text.trim()) return complain(word("empty"));
    const token = tokenFor(text);
    const body = new FormData(target);
    body.set("token", token);
    keep({ text, token, tried: text });
    onTheirWay.add(conversation);
    target.elements.text.readOnly = true;
    button.disabled = true;
    button.setAttribute("aria-label", word("sending"));
    complain("");
    try {
      const response = await fetch(target.action, {
        method: "POST", body, headers: { "X-Parley-Parts": "1" }, redirect: "manual", signal: AbortSignal.timeout(15000),
      });
      if (response.ok) {
        localStorage.removeItem(conversation);
        if (name() === conversation && form()) {
          form().elements.text.value = "";
          measure();
        }
      }
      if (response.ok || response.status === 422) tell(await response.text(), conversation);
      else complain(response.status >= 500 ? word("not-sent") : word("logged-out"));
    } catch {
      complain(word("not-sent"));
    } finally {
      onTheirWay.delete(conversation);
      target.elements.text.readOnly = false;
      button.disabled = false;
      button.removeAttribute("aria-label");
      if (document.activeElement === document.body || document.activeElement === button) target.elements.text.focus();
    }
  }

  function tell(html, conversation) {
    if (name() !== conversation) return; // they went on to another conversation meanwhile
    document.dispatchEvent(new CustomEvent("parley:parts", { detail: { html, toEnd: true } }));
  }

  document.addEventListener("input", (event) => {
    if (!event.target.closest("[data-answer]")) return;
    keep({ ...keptDraft(), text: event.target.value });
    complain("");
    measure();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target.id !== "answer") return;
    event.preventDefault();
    send();
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-answer]")) return;
    event.preventDefault();
    send();
  });
  document.addEventListener("parley:applied", (event) => {
    if (event.detail.composer) prepare();
  });
  prepare();
})();
