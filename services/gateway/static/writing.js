// What is being written: that it is not lost without a word, and that what was shown of it is still true.

// --- What the composer's preview said is no longer true once something is changed: the server previews it again -----
document.addEventListener("input", (event) => {
  const send = event.target.closest("[data-composer]")?.querySelector("[data-previewed]");
  if (send) { send.textContent = "Preview the changes"; send.disabled = false; }
});

// --- What was written is not left unsent without a question -----------------------------------------------------------
document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-writing]");
  if (form) form.dataset.writing = "unsent";
});
let lastSent;
document.addEventListener("submit", ({ target }) => { if (target.matches("[data-writing]")) (lastSent = target).dataset.writing = ""; });
// Whoever stays because of another form has not sent this one either.
addEventListener("beforeunload", (event) => {
  if (!document.querySelector('[data-writing="unsent"]')) return;
  event.preventDefault();
  if (lastSent) lastSent.dataset.writing = "unsent";
});

// --- A file that the server would refuse is not sent: with it all that was written would be lost --------------------
document.addEventListener("change", (event) => {
  const upload = event.target, most = Number(upload.dataset?.most);
  if (!most) return;
  upload.parentElement.querySelector("[data-too-large]")?.remove();
  if (![...upload.files].some((file) => file.size > most)) return;
  upload.value = "";
  const said = document.createElement("p");
  said.className = "field-error";
  said.dataset.tooLarge = "";
  said.setAttribute("role", "alert");
  said.textContent = `This file is larger than ${upload.dataset.mostWords}. Choose another one.`;
  upload.after(said);
});
