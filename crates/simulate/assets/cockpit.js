"use strict";
// The page works without this script; it only keeps the page current and sends forms in place.

const live = document.getElementById("live");

function version() {
  const grid = live.querySelector("[data-version]");
  return grid ? grid.dataset.version : "0";
}

// When each entry of the timeline was first shown, so that its arrival is animated once.
const shown = new Map();

function show(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const next = page.querySelector("[data-version]");
  if (!next) return;
  const now = performance.now();
  for (const entry of next.querySelectorAll("[data-sequence]")) {
    const key = entry.dataset.sequence;
    if (!shown.has(key)) shown.set(key, now);
    const age = now - shown.get(key);
    if (age < 600) {
      entry.classList.add("fresh");
      entry.style.animationDelay = -age + "ms";
    }
  }
  const focused = live.contains(document.activeElement) ? controlName(document.activeElement) : null;
  const scrolled = live.querySelector(".wire ol")?.scrollTop ?? 0;
  live.replaceChildren(document.adoptNode(next));
  live.querySelector(".wire ol").scrollTop = scrolled;
  if (focused) [...live.querySelectorAll("a, button")].find((control) => controlName(control) === focused)?.focus();
  const form = page.querySelector("form.hire");
  if (form) suggest(form);
}

function controlName(control) {
  return control.textContent + (control.closest(".person")?.querySelector(".name p").textContent ?? "");
}

for (const entry of live.querySelectorAll("[data-sequence]")) shown.set(entry.dataset.sequence, -Infinity);

// The server suggests the next name, unless somebody is typing one.
function suggest(form) {
  for (const field of document.querySelectorAll("form.hire input")) {
    const other = form.querySelector("#" + field.id);
    if (other && document.activeElement !== field) field.value = other.value;
  }
}

async function poll() {
  for (;;) {
    try {
      const answer = await fetch("/live?after=" + version(), { cache: "no-store" });
      if (!answer.ok) throw new Error("status " + answer.status);
      const html = await answer.text();
      document.body.classList.remove("lost");
      if (!html.includes('data-version="' + version() + '"')) show(html);
    } catch {
      document.body.classList.add("lost");
      await new Promise((done) => setTimeout(done, 1500));
    }
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-quiet]")) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    show(await answer.text());
  } catch {
    document.body.classList.add("lost");
  } finally {
    button.disabled = false;
  }
});

poll();
