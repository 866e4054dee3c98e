// Threat alerts at the top of every page: they come, age and go, and what a person is doing below them stays as it is.
// The region is read out at once: whatever is drawn again is heard again, so that only what is new is drawn.
const ON_TOP = 2;
const acknowledged = new Set(); // What was acknowledged here; the list names it for a moment longer.
let alertStream = null;
let polling = 0;
let asked = 0; // Answers may come in another order than they were asked for: an older one is not drawn.
let drawn = 0;
let missed = 0; // How many answers in a row did not say which alerts are open.
let ahead = 0; // How far this computer's clock is ahead of the server's, in milliseconds.

async function refreshAlerts() {
  const banner = $("#alerts"), turn = ++asked;
  const answer = await fetch(banner.dataset.banner, { headers: { "HX-Request": "true" } }).catch(() => null);
  const next = answer?.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("alerts");
  if (turn < drawn) return;
  drawn = turn;
  if (!next || $(".alert-stale", next)) { sayUnread(banner, answer?.status === 401); return; }
  missed = 0;
  drawAlerts(banner, next);
  setClock(next);
  showOpenCount();
}

// What cannot be read is not gone, and nobody is to take silence for safety. One answer that fails interrupts nobody: it
// is asked for again.
function sayUnread(banner, isSignedOut) {
  missed += 1;
  const words = isSignedOut ? "You are signed out: no threat alert reaches this page. " : "Threat alerts cannot be read at the moment. Reconnecting…";
  const shown = $(".alert-stale", banner);
  if ((missed < 2 && !isSignedOut) || shown?.textContent.includes(words)) return;
  shown?.remove();
  const line = document.createElement("p"), mark = document.createElement("span");
  line.className = "alert-stale";
  mark.ariaHidden = "true";
  mark.textContent = "◷";
  line.append(mark, ` ${words}`);
  if (isSignedOut) line.append(signIn());
  banner.prepend(line);
}

function drawAlerts(banner, next) {
  $(".alert-stale", banner)?.remove();
  const all = $$(".threat-alert", next);
  const listed = all.filter((each) => !acknowledged.has(each.dataset.message));
  banner.dataset.open = next.dataset.open - (all.length - listed.length);
  const kept = listed.map((each) => known(banner, each) ?? prepared(each));
  const isCut = $(".all-alerts", next);
  $$(".threat-alert", banner).forEach((each) => { if (!kept.includes(each) && !(isCut && isInUse(each))) removeAlert(each); });
  const isOnTop = (each, place) => (isInUse(each) ? each.parentElement === banner : place < ON_TOP);
  const top = kept.filter(isOnTop), more = kept.filter((each) => !top.includes(each));
  const box = drawMore(banner, more.length, banner.dataset.open - top.length, isCut);
  if (box) placeAlerts(box, more, $(".all-alerts", box));
  placeAlerts(banner, top, box);
}

// What has the focus or is being read stays where it is, also when others come before it.
const isInUse = (article) => article.isConnected && (article.contains(document.activeElement) || $("details[open]", article));

// Return the alert that is shown already, with a token that is good in the session of now.
function known(banner, fresh) {
  const shown = $(`[data-message="${CSS.escape(fresh.dataset.message)}"]`, banner);
  if (shown) $('[name="csrf_token"]', shown).value = $('[name="csrf_token"]', fresh).value;
  return shown;
}

function prepared(fresh) {
  $('[name="next"]', fresh).value = location.pathname + location.search;
  return fresh;
}

function drawMore(banner, inside, hidden, all) {
  let box = $(".more-alerts", banner);
  if (!inside) {
    const hadFocus = box?.contains(document.activeElement);
    box?.remove();
    if (hadFocus) focusAlert($(".threat-alert", banner));
    return null;
  }
  if (!box) {
    box = document.createElement("details");
    box.className = "more-alerts";
    box.append(document.createElement("summary"));
    banner.append(box);
  }
  const words = `${hidden} more possible ${hidden === 1 ? "threat" : "threats"}`, link = $(".all-alerts", box);
  if ($("summary", box).textContent !== words) $("summary", box).textContent = words;
  if (link?.textContent !== all?.textContent) { link?.remove(); if (all) box.append(all); }
  return box;
}

// From the last to the first: what is in its place already is not touched.
function placeAlerts(parent, wanted, following) {
  for (const article of [...wanted].reverse()) {
    if (article.parentElement !== parent || article.nextElementSibling !== following) parent.insertBefore(article, following);
    following = article;
  }
}

function removeAlert(article, isPressed = false) {
  const all = $$("#alerts .threat-alert").filter((each) => !each.closest(".more-alerts:not([open])"));
  const at = all.indexOf(article), active = document.activeElement;
  // Not every browser gives the focus to a button that is clicked.
  const hadFocus = article.contains(active) || (isPressed && active === document.body);
  article.remove();
  if (hadFocus) focusAlert(all[at + 1] ?? all[at - 1]);
}

function focusAlert(article) {
  (article ? $(".threat-actions button", article) : $("#main")).focus({ preventScroll: true });
}

// --- Acknowledging --------------------------------------------------------------------------------------------------
document.addEventListener("submit", (event) => {
  const form = event.target, action = form.getAttribute("action");
  if (!form.closest("#alerts")) return;
  // Where the threat itself is shown there is nothing to lose, and the page is drawn anew.
  if ($$("main form").some((each) => each.getAttribute("action") === action)) return;
  event.preventDefault();
  acknowledge(form);
});

async function acknowledge(form) {
  if (form.dataset.isSent) return;
  form.dataset.isSent = "1";
  const sent = { method: "POST", body: new FormData(form), headers: { "HX-Request": "true" }, redirect: "manual" };
  const answer = await fetch(form.action, sent).catch(() => null);
  delete form.dataset.isSent;
  if (answer?.type !== "opaqueredirect") { await refreshAlerts(); sayNotAcknowledged(answer?.status ?? 0); return; }
  const article = form.closest(".threat-alert");
  acknowledged.add(article.dataset.message);
  $("#notice > [data-not-acknowledged]")?.remove();
  removeAlert(article, true);
  refreshAlerts();
}

function sayNotAcknowledged(status) {
  const why = {
    0: "the server does not answer. Try again in a moment.",
    400: "this page was open for too long, or you signed in again. Press Acknowledge again.",
    401: "you are signed out. ",
  }[status] ?? "open it to see how it stands, or try again in a moment.";
  sayProblem(`The threat is not acknowledged: ${why}`);
  const box = $("#notice > .problem");
  if (status === 401) box.append(signIn());
  box.dataset.notAcknowledged = "";
  box.scrollIntoView({ block: "nearest" });
}

// In a tab of its own, so that what was written here stays.
function signIn() {
  const link = Object.assign(document.createElement("a"), { href: "/sign-in", target: "_blank" });
  link.textContent = "Sign in (new tab)";
  return link;
}

// --- Ages -----------------------------------------------------------------------------------------------------------
function setClock(banner) {
  ahead = Date.now() - Date.parse(banner.dataset.now);
  showAges();
}

function showAges() {
  for (const each of $$("#alerts time.threat-age")) {
    const words = ago(Date.now() - ahead - Date.parse(each.dateTime));
    if (each.textContent !== words) each.textContent = words;
  }
}

// As the server says it (words.ago).
function ago(milliseconds) {
  const minutes = Math.floor(milliseconds / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 48 * 60 ? `${Math.floor(minutes / 60)} h ago` : `${Math.floor(minutes / (24 * 60))} days ago`;
}

// --- What an alert hides is read when it is asked for, and the reading is logged ------------------------------------
document.addEventListener("toggle", async (event) => {
  const details = event.target;
  if (!details.matches?.("details[data-details]") || !details.open || details.dataset.isRead) return;
  details.dataset.isRead = "1";
  const answer = await fetch(details.dataset.details, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (answer?.ok) $(".threat-words", details).innerHTML = await answer.text();
  else delete details.dataset.isRead;
}, true);

function showOpenCount() {
  const count = Number($("#alerts")?.dataset.open || 0);
  document.title = (count ? `(${count}) ` : "") + document.title.replace(/^\(\d+\) /, "");
  const badge = $("[data-open-count]");
  if (badge) { badge.hidden = !count; badge.firstChild.textContent = String(count); }
}

// --- Following ------------------------------------------------------------------------------------------------------
function followAlerts() {
  const banner = $("#alerts[data-stream]");
  if (!banner) return;
  alertStream?.close();
  clearInterval(polling);
  polling = setInterval(() => { if (missed || alertStream?.readyState !== EventSource.OPEN) refreshAlerts(); }, 10000);
  if (document.hidden) { alertStream = null; return; }
  alertStream = new EventSource(banner.dataset.stream);
  alertStream.addEventListener("alerts", refreshAlerts);
  alertStream.addEventListener("error", () => { if (alertStream?.readyState === EventSource.CLOSED) setTimeout(() => { if (!document.hidden) followAlerts(); }, 20000); });
}

document.addEventListener("visibilitychange", () => {
  followAlerts();
  showAges();
  if (!document.hidden && $("#alerts[data-stream]")) refreshAlerts();
});
addEventListener("pagehide", () => alertStream?.close());
addEventListener("pageshow", (event) => { if (event.persisted) followAlerts(); });
if ($("#alerts[data-now]")) { setClock($("#alerts")); setInterval(showAges, 30000); }
showOpenCount();
followAlerts();
