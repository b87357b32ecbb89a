// Light, dark or as the system says. Loaded before the page is drawn, and kept under the name the admin's theme uses.
(() => {
  const NAME = "adminTheme";
  const system = matchMedia("(prefers-color-scheme: dark)");

  function kept() {
    try {
      return JSON.parse(localStorage.getItem(NAME)) || "auto";
    } catch {
      return "auto";
    }
  }

  function show(choice) {
    if (choice === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
  }

  show(kept());
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const isDark = (document.documentElement.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
    const choice = isDark ? "light" : "dark";
    localStorage.setItem(NAME, JSON.stringify(choice));
    show(choice);
  });
})();
