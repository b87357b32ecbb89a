// One letter for the common act. Letters mean themselves while one writes, and with Ctrl, Alt or the system's key.
(() => {
  const dialog = document.querySelector("[data-keys-dialog]");
  const rows = () => [...document.querySelectorAll('[data-part="rows"] a[data-open]')];

  function move(step) {
    const links = rows();
    const here = links.indexOf(document.activeElement.closest?.("a[data-open]"));
    const open = links.findIndex((link) => link.hasAttribute("aria-current"));
    const from = here >= 0 ? here : open;
    const next = from < 0 ? 0 : Math.min(links.length - 1, Math.max(0, from + step));
    links[next]?.focus();
  }

  const press = (name) => document.querySelector(`[data-act="${name}"]`)?.click();
  const acts = {
    j: () => move(1),
    k: () => move(-1),
    r: () => document.querySelector("#answer")?.focus(),
    a: () => press("assign"),
    e: () => press("resolve"),
    "?": () => dialog.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest("textarea, input, select");
    if (event.key === "Escape" && writing) return writing.blur();
    if (writing || dialog.open || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (!Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    acts[event.key]();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys]")) dialog.showModal();
  });
})();
