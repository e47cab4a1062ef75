"use strict";
// The page works without this script; it only keeps the page current and sends forms in place.

const live = document.getElementById("live");

function version() {
  const grid = live.querySelector("[data-version]");
  return grid ? grid.dataset.version : "0";
}

function newestEntry() {
  const entry = live.querySelector("[data-sequence]");
  return entry ? Number(entry.dataset.sequence) : 0;
}

function show(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const seen = newestEntry();
  const next = page.querySelector("[data-version]");
  if (!next) return;
  for (const entry of next.querySelectorAll("[data-sequence]")) {
    if (Number(entry.dataset.sequence) > seen) entry.classList.add("fresh");
  }
  live.replaceChildren(document.adoptNode(next));
  const form = page.querySelector("form.hire");
  if (form) suggest(form);
}

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
