// Everything here adds to pages that work without it: dialogs over their page, keys, live counts. Alerts: alerts.js.
const $ = (selector, from = document) => from.querySelector(selector);
const $$ = (selector, from = document) => [...from.querySelectorAll(selector)];

// --- What sticks at the top must not cover what is scrolled to; how high it is depends on the alerts ------------------
const bar = $(".top");
const measureBar = () => document.documentElement.style.setProperty("--top", `${bar.offsetHeight}px`);
if (bar) { measureBar(); new ResizeObserver(measureBar).observe(bar); }

function sayProblem(...words) {
  const notice = $("#notice");
  if (!notice) return;
  const box = document.createElement("div");
  box.className = "problem";
  box.append(...words);
  notice.replaceChildren(box);
}

// --- Dialogs -------------------------------------------------------------------------------------------------------
let underlay = null; // The address below the dialogs that were opened from it.
let opener = null;
let isClosed = false; // What was asked for before a dialog was closed must not open it again.

function openDialog(dialog) {
  const at = document.activeElement;
  dialog.removeAttribute("open");
  dialog.showModal();
  // What was pressed in the dialog before is there again, and has the focus; a dialog that opens would take it away.
  if (dialog.contains(at)) at.focus();
  dialog.addEventListener("cancel", (event) => { event.preventDefault(); closeDialog(dialog); });
  // A browser may close without asking, when nothing was clicked or typed since the dialog was opened.
  dialog.addEventListener("close", () => { if (dialog.isConnected) closeDialog(dialog); });
}

function closeDialog(dialog) {
  if (!dialog.matches(".page-dialog")) { dialog.close(); return; }
  if (!underlay) { location.href = dialog.dataset.back; return; }
  isClosed = true;
  history.pushState({ htmx: true }, "", underlay);
  underlay = null;
  dialog.close();
  $("#dialog-host").replaceChildren();
  focusOpener();
}

// What opened a dialog may have been drawn again meanwhile, or cannot be focused until the next frame.
function focusOpener() {
  const current = () => (opener?.isConnected ? opener : $(`[data-rows] a[href="${CSS.escape(opener?.getAttribute("href") ?? "")}"]`));
  current()?.focus();
  requestAnimationFrame(() => { if (document.activeElement === document.body) current()?.focus(); });
}

function showPageDialog() {
  const late = isClosed && $("#dialog-host > dialog");
  if (late) {
    late.remove();
    if (document.activeElement === document.body) focusOpener();
    return;
  }
  if (isClosed) return;
  const dialog = $("#dialog-host > dialog.page-dialog[open]");
  if (dialog && !dialog.matches(":modal")) openDialog(dialog);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.('[hx-target="#dialog-host"]');
  if (link) isClosed = false;
  if (link && !link.closest("dialog") && !underlay) { underlay = location.pathname + location.search; opener = link; }
  const close = event.target.closest?.("[data-close]");
  if (close) { event.preventDefault(); closeDialog(close.closest("dialog")); }
  if (event.target.matches?.("dialog")) closeDialog(event.target);
  $$("details[data-menu][open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  if (!event.target.closest?.("#find-person")) forgetFound();
  if (event.target.closest?.("[data-print]")) print();
  if (event.target.closest?.("[data-keys]")) showKeys();
  if (event.target.closest?.("[data-theme-switch]")) switchTheme();
  changeRules(event.target);
});
addEventListener("popstate", () => { underlay = null; isClosed = false; });

function forgetFound() {
  for (const each of $$("#quick-found, #quick-said")) each.replaceChildren();
}

function switchTheme() {
  const root = document.documentElement;
  root.dataset.bsTheme = root.dataset.bsTheme === "dark" ? "light" : "dark";
  document.cookie = `lantern_theme=${root.dataset.bsTheme}; path=/; max-age=31536000; samesite=lax`;
}

// --- Filters -------------------------------------------------------------------------------------------------------
function changeRules(target) {
  if (target.closest?.("[data-add-rule]")) {
    const rules = target.closest("[data-rules]");
    const rule = $$(".rule", rules).at(-1).cloneNode(true);
    $("input", rule).value = "";
    target.before(rule);
    $("select", rule).focus();
  }
  if (target.closest?.("[data-remove-rule]")) {
    const rule = target.closest(".rule");
    if ($$(".rule", rule.parentElement).length > 1) rule.remove();
    else $("input", rule).value = "";
  }
}

document.addEventListener("input", (event) => {
  const box = event.target;
  if (box.matches("[data-narrow]")) {
    const words = box.value.trim().toLowerCase();
    $$(".choice", box.parentElement).forEach((each) => { each.hidden = !each.textContent.toLowerCase().includes(words); });
  }
  const menu = box.closest("details.multi");
  if (menu && box.type === "checkbox") {
    const names = $$("input:checked", menu).map((each) => each.parentElement.textContent.trim());
    $("[data-chosen]", menu).textContent = names.join(", ") || "All";
  }
  if (box.matches('[name="sender"]') && box.checked) { const all = $("[data-all-users]"); if (all) all.checked = false; }
  if (box.matches("[data-all-users]") && box.checked) {
    $$('[name="sender"]:checked').forEach((each) => { each.checked = false; });
    const chosen = $('[name="sender"]')?.closest("details").querySelector("[data-chosen]");
    if (chosen) chosen.textContent = "All users";
  }
});

// --- Keys ----------------------------------------------------------------------------------------------------------
function moveRow(step) {
  const rows = $$("[data-rows] [data-entry]");
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + step))];
  $("[data-record]", next).focus();
  next.scrollIntoView({ block: "nearest" });
}

// Whoever speaks to the computer, or whose hands hit keys, switches the keys of one character off (WCAG 2.1.4).
const hasKeys = () => !document.cookie.includes("lantern_keys=off");
function showKeys() {
  $("[data-one-key]").checked = hasKeys();
  $("#keys").showModal();
}
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-one-key]")) return;
  document.cookie = `lantern_keys=${event.target.checked ? "on" : "off"}; path=/; max-age=31536000; samesite=lax`;
});

const keys = {
  "/": () => {
    const filters = $("details[data-filters]");
    if (filters) { filters.open = true; $("summary, input:not([type=hidden])", $("form", filters)).focus(); }
    else $("[data-filters]")?.focus();
  },
  j: () => moveRow(1),
  k: () => moveRow(-1),
  t: () => { const menu = $("details[data-columns]"); if (menu) { menu.open = true; $("input", menu).focus(); } },
  p: () => print(),
  "?": showKeys,
  ArrowLeft: () => $('[data-arrow="previous"]')?.click(),
  ArrowRight: () => $('[data-arrow="next"]')?.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.activeElement.closest?.("details[data-menu][open]");
    // An arrow's answer is in the page a moment before it is modal; only modal dialogs hear Escape by themselves.
    const waiting = $("#dialog-host > dialog.page-dialog[open]:not(:modal)");
    if (menu) { menu.open = false; $("summary", menu).focus(); event.preventDefault(); }
    else if (waiting) closeDialog(waiting);
    else if (document.activeElement.closest?.(".find-person")) { forgetFound(); $("#find-person").focus(); }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select")) return;
  const isInDialog = Boolean($("dialog:modal"));
  if (isInDialog && !event.key.startsWith("Arrow")) return;
  if (event.target.closest(".table-scroll") === event.target) return;
  const act = keys[event.key];
  if (act && (event.key.startsWith("Arrow") || hasKeys())) { act(); if (!event.key.startsWith("Arrow")) event.preventDefault(); }
});

// --- Live counts ---------------------------------------------------------------------------------------------------
let countStream = null;

function followCounts() {
  countStream?.close();
  countStream = null;
  const report = $("#report[data-live]");
  const isMoving = $$("[data-moving]", report ?? document).some((each) => each.dataset.moving !== "0");
  if (!report?.dataset.live || !isMoving || document.hidden) return;
  countStream = new EventSource(report.dataset.live);
  countStream.addEventListener("open", () => { const word = $("[data-live-word]"); if (word) word.hidden = false; });
  countStream.addEventListener("error", () => { const word = $("[data-live-word]"); if (word) word.hidden = true; });
  countStream.addEventListener("counts", (event) => {
    Object.entries(JSON.parse(event.data)).forEach(([id, counts]) => updateRow(report, id, counts));
  });
}

function updateRow(report, id, counts) {
  const row = $(`[data-entry="${CSS.escape(id)}"]`, report);
  if (!row) return;
  row.dataset.moving = counts.pending;
  for (const cell of $$("[data-count]", row)) {
    const count = counts[cell.dataset.count], text = count.toLocaleString("en-US"), link = cell.previousElementSibling;
    // A number that can be opened and a 0 that cannot stand beside each other; what has the focus keeps it.
    if (cell.dataset.words) { cell.hidden = !count && !!cell.nextElementSibling && cell !== document.activeElement; cell.ariaLabel = `${text} ${cell.dataset.words}`; }
    else if (link) cell.hidden = !link.hidden;
    if (cell.textContent !== text) {
      cell.textContent = text;
      cell.classList.remove("moved");
      void cell.offsetWidth;
      cell.classList.add("moved");
    }
  }
  const bar = $(".bar", row);
  if (bar && counts.total) drawBar(bar, counts);
}

function drawBar(bar, counts) {
  let x = 0;
  for (const [part, count] of [["sent", counts.sent], ["pending", counts.pending], ["error", counts.errors]]) {
    const rect = $(`.bar-${part}`, bar);
    const width = (100 * count) / counts.total;
    rect.setAttribute("x", x);
    rect.setAttribute("width", width);
    x += width;
  }
}

// --- The people that a message is for stay as they were ticked when a later answer draws the list again --------------
const ticked = new Map();
document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.matches("#people-choices input")) ticked.set(`[name="${box.name}"][value="${CSS.escape(box.value)}"]`, box);
});
document.addEventListener("keydown", (event) => {
  // Enter ends a search; it must not send the message.
  if (event.key === "Enter" && event.target.matches("[data-finds]")) event.preventDefault();
});
function keepTicked() {
  const list = $("#people-choices");
  if (!list) return;
  for (const [which, box] of ticked) {
    const same = $(`input${which}`, list);
    if (same) same.checked = box.checked;
    else if (box.checked) list.prepend(box.closest("label"));
  }
}

// --- Recordings ----------------------------------------------------------------------------------------------------
document.addEventListener("change", (event) => {
  const rate = event.target.closest?.("[data-rate]");
  if (rate) $("audio", rate.closest("[data-player]")).playbackRate = Number(rate.value);
  const upload = event.target.closest?.("[data-recording]");
  if (upload?.files.length) $('input[name="channel"][value="recorded"]').checked = true;
});

// --- What is drawn again keeps the page's title, and the keyboard's place ---------------------------------------------
// htmx finds the place by its id; a field is found by its name, and what lies in a part that is closed now by its head.
let places = [];
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  const at = document.activeElement, part = at.closest("details[id]");
  places = [at.name && `[name="${CSS.escape(at.name)}"]`, part && `#${part.id} > summary`].filter(Boolean);
  if (ctx.target !== document.body) ctx.title = null;
});
function keepPlace() {
  for (const place of places.flatMap((each) => $$(each))) if (document.activeElement === document.body) place.focus();
  places = [];
}

// --- After each part that is drawn ---------------------------------------------------------------------------------
function settle() {
  $$("[data-add-rule], [data-speed]").forEach((each) => { each.hidden = false; });
  showPageDialog();
  keepPlace();
  followCounts();
  keepTicked();
  const added = $("[data-focus-new]");
  if (added) { added.removeAttribute("data-focus-new"); added.focus(); }
  const notice = $("#notice");
  if (notice?.textContent.trim() && !notice.dataset.kept) notice.scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:after:swap", settle);
document.addEventListener("htmx:before:request", () => { const notice = $("#notice"); if (notice) notice.replaceChildren(); });
document.addEventListener("htmx:error", () => sayProblem("The server does not answer. What you see on this page stays; try again in a moment."));
document.addEventListener("visibilitychange", followCounts);
addEventListener("pagehide", () => countStream?.close());
addEventListener("pageshow", (event) => { if (event.persisted) followCounts(); });
// By itself htmx begins in a timer, when the page can be used already: what is opened before would replace the page.
htmx.initialize();
settle();
$("[data-focus]")?.focus();
