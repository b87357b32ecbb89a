// The page stays as it is in the database: asks its own URL for the parts that may have changed, and puts only what
// changed in place, so that scroll, focus, selection and the draft stay where they are.
(() => {
  const inbox = document.querySelector("[data-inbox]");
  const scroller = document.querySelector("[data-scroller]");
  const pill = document.querySelector("[data-pill]");
  const bar = document.querySelector("[data-bar]");
  const word = (name) => document.querySelector(`#words [data-word="${name}"]`).textContent;
  const part = (name, where = document) => where.querySelector(`[data-part="${name}"]`);
  const csrf = () => document.querySelector('#act input[name="csrfmiddlewaretoken"]').value;
  const PARTS = { "X-Parley-Parts": "1" };
  const AT_END = 60; // pixels from the end that still count as reading the newest

  let address = location.pathname + location.search;
  let tag = ""; // of what is shown
  let turn = 0; // what was asked before the last change of the page is thrown away
  let timer = 0;
  let failures = 0;
  let lastTouched = Date.now();
  let seenAsked = "";
  const paged = { rows: false, messages: false }; // whether more than the first page is shown
  const drawn = new WeakMap(); // element: the server's HTML for it, apart from what ticks here

  // ---- Putting parts in place

  function remember(root) {
    for (const name of ["rows", "messages"]) for (const child of part(name, root).children) drawn.set(child, child.outerHTML);
    for (const name of ["now", "tabs", "head", "notice", "person", "more", "earlier"]) drawn.set(part(name, root), part(name, root).outerHTML);
  }

  function parse(html) {
    const root = new DOMParser().parseFromString(html, "text/html");
    remember(root);
    return root;
  }

  function adopt(element) {
    const copy = document.adoptNode(element);
    drawn.set(copy, drawn.get(element));
    return copy;
  }

  function swap(name, root) {
    const old = part(name), fresh = part(name, root);
    if (drawn.get(old) === drawn.get(fresh)) return;
    const focused = old.contains(document.activeElement) ? document.activeElement : null;
    const again = focused && (focused.dataset.act ? `[data-act="${focused.dataset.act}"]` : focused.getAttribute("formaction") ? "button" : null);
    old.replaceWith(adopt(fresh));
    if (again) part(name).querySelector(again)?.focus();
  }

  const order = (element) => Number(element.dataset.order);

  // Children by key: those that did not change are left alone, so that a selection in them survives.
  // What was loaded beyond the first page stays where it lies before (messages) or after (rows) what came.
  function merge(list, fresh, keepsBeyond) {
    const there = new Map([...list.children].map((child) => [child.dataset.key, child]));
    const isOlder = (key, node) => node.hasAttribute("data-day") && there.has(key) && order(there.get(key)) < order(node);
    const came = [...fresh.children].filter((node) => !isOlder(node.dataset.key, node));
    const keys = new Set(came.map((node) => node.dataset.key));
    const beyond = keepsBeyond ? [...list.children].filter((child) => !keys.has(child.dataset.key) && keepsBeyond(child)) : [];
    const added = [];
    const placed = came.map((node) => {
      const old = there.get(node.dataset.key);
      if (old && drawn.get(old) === drawn.get(node)) return old;
      const shown = adopt(node);
      if (!old) added.push(shown);
      else {
        if (Number(node.dataset.unread) > Number(old.dataset.unread)) shown.classList.add("p-new");
        const focused = old.contains(document.activeElement);
        old.replaceWith(shown);
        if (focused) shown.querySelector("a, button")?.focus({ preventScroll: true });
      }
      return shown;
    });
    const isRows = list.dataset.part === "rows";
    const wanted = isRows ? [...placed, ...beyond] : [...beyond, ...placed];
    const kept = new Set(wanted);
    for (const child of [...list.children]) if (!kept.has(child)) child.remove();
    wanted.forEach((node, index) => {
      if (list.children[index] !== node) list.insertBefore(node, list.children[index] || null);
    });
    for (const { name, value } of fresh.attributes) list.setAttribute(name, value);
    for (const { name } of [...list.attributes]) if (!fresh.hasAttribute(name)) list.removeAttribute(name);
    return added;
  }

  function mergeRows(root, anew) {
    const list = part("rows"), fresh = part("rows", root);
    const last = fresh.lastElementChild;
    const stays = (row) => paged.rows && fresh.hasAttribute("data-more") && order(row) <= order(last);
    const active = document.activeElement?.closest?.('[data-part="rows"] [data-key]')?.dataset.key;
    const added = merge(list, fresh, anew ? null : stays);
    if (!anew) added.forEach((row) => row.classList.add("p-new"));
    if (active && !list.contains(document.activeElement)) list.querySelector(`[data-key="${active}"] a`)?.focus({ preventScroll: true });
    if (anew || !paged.rows || !fresh.hasAttribute("data-more")) {
      paged.rows = false;
      swap("more", root);
    }
  }

  function mergeMessages(root, anew) {
    const list = part("messages"), fresh = part("messages", root);
    const first = fresh.querySelector(":scope > :not([data-day])");
    const meets = [...fresh.children].some((node) => !node.hasAttribute("data-day") && list.querySelector(`[data-key="${node.dataset.key}"]`));
    const stays = (node) => paged.messages && meets && first && order(node) <= order(first);
    const added = merge(list, fresh, anew ? null : stays);
    if (anew || !meets || !paged.messages) {
      paged.messages = false;
      swap("earlier", root);
    }
    return anew ? [] : added.filter((node) => node.matches(".p-said"));
  }

  function swapComposer(root, anew) {
    const old = part("composer"), fresh = part("composer", root);
    if (!anew && old.dataset.key === fresh.dataset.key) {
      const place = old.querySelector("[data-problem]"), problem = fresh.querySelector("[data-problem]");
      if (place && problem && problem.textContent) place.textContent = problem.textContent;
      return false;
    }
    const hadFocus = old.contains(document.activeElement);
    old.replaceWith(document.adoptNode(fresh));
    if (hadFocus) part("composer").querySelector("textarea")?.focus({ preventScroll: true });
    return true;
  }

  const isAtEnd = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < AT_END;
  function toEnd() {
    scroller.scrollTop = scroller.scrollHeight;
    setPill(0);
  }

  function setPill(count) {
    pill.dataset.count = count;
    pill.hidden = !count;
    pill.textContent = count === 1 ? word("one-new") : word("many-new").replace("{n}", count);
  }

  function apply(root, { scrollToEnd = false, isPoll = false } = {}) {
    turn += 1;
    const switched = part("messages").dataset.conversation !== part("messages", root).dataset.conversation;
    const reread = part("messages").hasAttribute("data-past") !== part("messages", root).hasAttribute("data-past");
    const retabbed = part("rows").dataset.view !== part("rows", root).dataset.view || part("rows").hasAttribute("data-later");
    const wasAtEnd = isAtEnd();
    mergeRows(root, retabbed);
    const added = mergeMessages(root, switched || reread);
    for (const name of ["now", "tabs", "head", "person"]) swap(name, root);
    if (switched || !isPoll) swap("notice", root); // nobody reads a notice in two seconds
    const composer = swapComposer(root, switched);
    for (const node of added) node.classList.add("p-new");
    const theirs = added.filter((node) => node.matches(".p-said--in")).length;
    if (switched || reread || scrollToEnd || wasAtEnd) toEnd();
    else if (theirs) setPill(Number(pill.dataset.count || 0) + theirs);
    title();
    document.dispatchEvent(new CustomEvent("parley:applied", { detail: { composer } }));
    markSeen();
  }

  function title() {
    const { unread, name } = part("tabs").dataset;
    const base = document.title.split(" · ").slice(-2).join(" · ").replace(/^\(.*?\) /, "");
    document.title = (unread ? `(${unread}) ` : "") + (name ? `${name} · ` : "") + base;
  }

  // ---- Asking

  async function ask(url, headers = {}) {
    const response = await fetch(url, {
      headers: { ...PARTS, ...headers }, redirect: "manual", cache: "no-store", signal: AbortSignal.timeout(10000),
    });
    if (response.type === "opaqueredirect" || response.status === 403) throw new LoggedOut();
    if (!response.ok && response.status !== 304) throw new Error(`status ${response.status}`);
    return response;
  }

  class LoggedOut extends Error {}

  function connected() {
    if (failures > 1) say(word("back"), "good", 4000);
    failures = 0;
  }

  function disconnected(error) {
    failures += 1;
    if (error instanceof LoggedOut) say(word("logged-out"), "bad");
    else if (failures > 1) say(word("offline"), "wait");
  }

  function say(text, tone, forMilliseconds) {
    bar.textContent = text;
    bar.className = `p-bar p-bar--${tone}`;
    bar.hidden = false;
    if (forMilliseconds) setTimeout(() => { if (bar.textContent === text) bar.hidden = true; }, forMilliseconds);
  }

  // Nothing is redrawn between a press and its release: the click would find another element and be lost.
  let pressed = Promise.resolve();
  let letGo = () => {};
  addEventListener("pointerdown", () => { letGo(); pressed = new Promise((done) => { letGo = done; }); }, { capture: true, passive: true });
  for (const kind of ["pointerup", "pointercancel", "blur"]) addEventListener(kind, () => setTimeout(letGo), { passive: true });

  // Two seconds while somebody is here, then slower; a tab in the background only keeps its title.
  function wait() {
    if (failures) return Math.min(15000, 1000 * 2 ** failures);
    if (document.hidden) return 30000;
    const idle = Date.now() - lastTouched;
    return idle < 60000 ? 2000 : idle < 600000 ? 5000 : 15000;
  }

  async function poll() {
    clearTimeout(timer);
    const asked = turn;
    try {
      const response = await ask(address, tag ? { "If-None-Match": tag } : {});
      const html = response.status === 304 ? "" : await response.text();
      connected();
      await pressed;
      if (html && asked === turn) {
        apply(parse(html), { isPoll: true });
        tag = response.headers.get("ETag") || "";
      }
    } catch (error) {
      disconnected(error);
    }
    clearTimeout(timer);
    timer = setTimeout(poll, wait());
  }

  async function markSeen() {
    const list = part("messages"), { unread, seen, conversation } = list.dataset;
    if (!("mayAnswer" in inbox.dataset) || document.hidden || !Number(unread)) return;
    const what = `${conversation}:${list.lastElementChild?.dataset.key}:${unread}`;
    if (what === seenAsked) return;
    seenAsked = what;
    try {
      const response = await fetch(seen, { method: "POST", headers: { ...PARTS, "X-CSRFToken": csrf() }, redirect: "manual" });
      const html = await response.text();
      await pressed;
      if (response.ok && part("messages").dataset.conversation === conversation) apply(parse(html));
    } catch {
      seenAsked = ""; // the next poll tries again
    }
  }

  // ---- Going from one conversation to another without leaving the page

  async function go(url, { push = true } = {}) {
    const asked = ++turn;
    const slow = setTimeout(() => inbox.setAttribute("aria-busy", "true"), 300);
    try {
      const response = await ask(url);
      const html = await response.text();
      if (asked !== turn) return;
      address = url;
      tag = response.headers.get("ETag") || "";
      if (push) history.pushState(null, "", url);
      const wasList = inbox.dataset.pane === "list";
      apply(parse(html));
      inbox.dataset.pane = part("messages").dataset.conversation ? "thread" : "list";
      if (wasList !== (inbox.dataset.pane === "list") && matchMedia("(max-width: 700px)").matches) arrive();
      connected();
    } catch {
      location.assign(url); // the browser says what is wrong better than we can
    } finally {
      clearTimeout(slow);
      inbox.removeAttribute("aria-busy");
      clearTimeout(timer);
      timer = setTimeout(poll, wait());
    }
  }

  function arrive() {
    const place = inbox.dataset.pane === "thread" ? part("head").querySelector("h1") : part("rows").querySelector("a");
    place?.focus({ preventScroll: true });
    toEnd();
  }

  async function addRows(url) {
    const root = parse(await (await ask(url)).text());
    const list = part("rows");
    const there = new Set([...list.children].map((row) => row.dataset.key));
    for (const row of [...part("rows", root).children]) if (!there.has(row.dataset.key) && row.dataset.key !== "empty") list.append(adopt(row));
    paged.rows = true;
    swap("more", root);
  }

  async function addEarlier(url) {
    const root = parse(await (await ask(url)).text());
    const list = part("messages"), fromEnd = scroller.scrollHeight - scroller.scrollTop;
    const older = [...part("messages", root).children];
    const days = new Set(older.map((node) => node.dataset.key));
    for (const node of list.querySelectorAll("[data-day]")) if (days.has(node.dataset.key)) node.remove();
    list.prepend(...older.map(adopt));
    paged.messages = true;
    const link = part("earlier", root);
    link.querySelector("[data-newest]")?.remove();
    part("earlier").replaceWith(adopt(link));
    scroller.scrollTop = scroller.scrollHeight - fromEnd;
  }

  async function act(button) {
    const form = new FormData(document.getElementById("act"), button);
    try {
      const response = await fetch(button.formAction, { method: "POST", body: form, headers: PARTS, redirect: "manual" });
      if (response.ok || response.status === 409) {
        tag = "";
        apply(parse(await response.text()));
      } else throw response.type === "opaqueredirect" || response.status === 403 ? new LoggedOut() : new Error("refused");
    } catch (error) {
      failures = Math.max(failures, 1);
      disconnected(error);
    }
  }

  const isPlain = (event) => !(event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || !isPlain(event)) return;
    const url = link.pathname + link.search;
    const failing = () => location.assign(url);
    if (link.matches("[data-open], [data-back], [data-newest]")) go(url);
    else if (link.matches("[data-tab]")) {
      const { conversation } = part("messages").dataset;
      const narrow = matchMedia("(max-width: 700px)").matches;
      go(conversation && !narrow ? `${location.pathname}?view=${link.dataset.tab}` : url);
    }
    else if (link.matches("[data-more-rows]")) addRows(url).catch(failing);
    else if (link.matches("[data-earlier]")) addEarlier(url).catch(failing);
    else return;
    event.preventDefault();
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "act" || !event.submitter) return;
    event.preventDefault();
    act(event.submitter);
  });
  document.addEventListener("parley:parts", (event) => {
    tag = "";
    apply(parse(event.detail.html), { scrollToEnd: event.detail.toEnd });
    clearTimeout(timer);
    timer = setTimeout(poll, 500); // it leaves within a moment: show that soon
  });
  addEventListener("popstate", () => go(location.pathname + location.search, { push: false }));
  document.addEventListener("visibilitychange", () => {
    lastTouched = Date.now();
    if (!document.hidden) {
      markSeen();
      poll();
    }
  });
  for (const kind of ["pointerdown", "keydown", "pointermove"]) {
    addEventListener(kind, () => {
      const slept = Date.now() - lastTouched > 60000;
      lastTouched = Date.now();
      if (slept) poll();
    }, { passive: true });
  }
  addEventListener("online", poll);
  addEventListener("offline", () => disconnected(new Error("offline")));
  pill.addEventListener("click", toEnd);
  scroller.addEventListener("scroll", () => { if (isAtEnd()) setPill(0); }, { passive: true });

  remember(document);
  if (!part("messages").hasAttribute("data-past")) toEnd();
  markSeen();
  timer = setTimeout(poll, wait());
})();
