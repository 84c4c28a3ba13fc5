"use strict";
// Whatever comes from an event goes in by textContent, never as markup.
const NAMES = {
  realtime: "Real-time", migration: "Migration", stream_rejected: "Rejected by the data stream", history_lost: "History lost",
};
const WRONG = {
  stream_rejected: ["createdAt alone", "createdAt alone: send isMigration with it"],
  history_lost: ["isMigration alone", "isMigration alone: send createdAt with it"],
};
const PLANS = {}/*PLANS*/;
const number = new Intl.NumberFormat("en");
const day = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeZone: "UTC" });
const at = (id) => document.getElementById(id);
let newest = 0;
let announced = "";
let announcedAt = -Infinity;

function make(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function write(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

function rate(value) {
  return value >= 10 || value === 0 ? number.format(Math.round(value)) : value.toFixed(1);
}

function ago(seconds) {
  if (seconds < 1.5) return "now";
  if (seconds < 60) return `${Math.round(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `${Math.floor(seconds / 3600)} h ago`;
}

function showPipelines(pipelines) {
  for (const [name, { total, rate: speed }] of Object.entries(pipelines)) {
    write(`total-${name}`, number.format(total));
    if (at(`rate-${name}`)) write(`rate-${name}`, rate(speed));
    if (WRONG[name]) {
      at(`watch-${name}`).classList.toggle("alarm", total > 0);
      write(`note-${name}`, WRONG[name][total > 0 ? 1 : 0]);
    }
  }
}

function ceiling(value) {
  const size = 10 ** Math.floor(Math.log10(Math.max(value, 4)));
  return size * [1, 2, 4, 6, 8, 10].find((step) => step * size >= Math.max(value, 4));
}

function shape(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  return made;
}

// A young sandbox is shown in a shorter window, and in a long one a column takes two seconds.
function columns(pipelines, second) {
  const shown = Object.keys(pipelines).filter((name) => !WRONG[name] || pipelines[name].total > 0);
  const all = pipelines.realtime.series.length;
  const first = Math.min(...shown.map((name) => pipelines[name].series.findIndex(Boolean)).map((at) => (at < 0 ? all : at)));
  const span = [60, 120, 240].find((seconds) => seconds >= all - first);
  const step = span > 120 ? 2 : 1;
  const end = all - (second % step);
  const length = span / step;
  const values = Object.fromEntries(shown.map((name) => [name, Array.from({ length }, (_, place) => {
    const from = end - (length - place) * step;
    return pipelines[name].series.slice(Math.max(from, 0), from + step).reduce((sum, each) => sum + each, 0) / step;
  })]));
  const sums = Array.from({ length }, (_, place) => shown.reduce((sum, name) => sum + values[name][place], 0));
  return { shown, span, length, values, peak: Math.max(...sums) };
}

function showSpark(name, series) {
  const recent = series.slice(-60).map((_, place) => {
    const from = series.length - 60 + place;
    return series.slice(from - 2, from + 1).reduce((sum, each) => sum + each, 0);
  });
  const most = Math.max(...recent);
  const points = recent.map((value, place) => `${place},${(97 - (value / most) * 90).toFixed(1)}`).join(" ");
  at(`spark-${name}`).replaceChildren(...(most ? [
    shape("polygon", { points: `0,100 ${points} 59,100` }), shape("polyline", { points })] : []));
}

function showChart({ pipelines, second }) {
  const { shown, span, length, values, peak } = columns(pipelines, second);
  showSpark("realtime", pipelines.realtime.series);
  showSpark("migration", pipelines.migration.series);
  const top = ceiling(peak);
  const chart = at("chart");
  const lines = [0, 50, 100].map((y) => shape("line", { x1: 0, x2: length, y1: y, y2: y }));
  const floor = new Array(length).fill(100);
  const paths = shown.map((name) => {
    const path = shape("path", { d: values[name].map((value, place) => {
      const height = value > 0 ? Math.max((value / top) * 100, 0.8) : 0;
      floor[place] -= height;
      return height ? `M${place + 0.14} ${floor[place]}h.72v${height}h-.72z` : "";
    }).join("") });
    path.style.setProperty("--hue", `var(--${name})`);
    return path;
  });
  chart.setAttribute("viewBox", `0 0 ${length} 100`);
  chart.replaceChildren(...lines, ...paths);
  chart.setAttribute("aria-label", `Events per second over the last ${span} seconds, ${rate(peak)} at most. ${
    shown.map((name) => `${NAMES[name]} now ${rate(pipelines[name].rate)}`).join(", ")}.`);
  at("scale").replaceChildren(...[[0, top], [50, top / 2], [100, 0]].map(([y, value]) => {
    const label = make("li", number.format(value));
    label.style.top = `${y}%`;
    return label;
  }));
  const quarter = (part) => (span <= 120 ? `${(span * part) / 4} s` : `${(span * part) / 240} min`);
  const marks = [`${quarter(4)} ago`, quarter(3), quarter(2), quarter(1), "now"];
  at("axis").replaceChildren(...marks.map((mark) => make("span", mark)));
  at("legend").replaceChildren(...shown.map((name) => {
    const entry = make("span", NAMES[name]);
    entry.style.setProperty("--hue", `var(--${name})`);
    return entry;
  }));
}

function happened(event) {
  if (event.pipeline === "realtime") return "on arrival";
  if (event.pipeline === "history_lost") return "date lost";
  const date = Date.parse(event.createdAt);
  return Number.isNaN(date) ? "" : day.format(date);
}

// Rows stay where they are and are filled anew, so that the focus of a keyboard stays, too.
function showLatest(latest) {
  const now = Date.now() / 1000;
  const body = at("latest");
  while (body.children.length > Math.max(latest.length, 1)) body.lastChild.remove();
  while (body.children.length < Math.max(latest.length, 1)) body.append(make("tr"));
  latest.forEach((event, place) => fill(body.children[place], event, now));
  if (!latest.length) body.firstChild.replaceChildren();
  newest = latest.length ? latest[0].sequence : 0;
}

function fill(row, event, now) {
  if (!row.children.length) {
    const cell = make("td", undefined, "event");
    cell.append(make("button", undefined, "open"));
    cell.firstChild.type = "button";
    cell.firstChild.addEventListener("click", () => showDetails(row.dataset.sequence));
    row.append(cell, make("td"), make("td", undefined, "quiet"), make("td", undefined, "quiet end"));
  }
  const [name, person, when, arrived] = row.children;
  row.className = event.sequence > newest && newest > 0 ? "fresh" : "";
  row.dataset.sequence = event.sequence;
  name.style.setProperty("--hue", `var(--${event.pipeline})`);
  name.title = NAMES[event.pipeline];
  name.firstChild.replaceChildren(event.eventName, make("span", `, ${NAMES[event.pipeline]}`, "hidden"));
  person.textContent = event.person;
  when.textContent = happened(event);
  arrived.textContent = ago(now - event.receivedAt);
}

async function showDetails(sequence) {
  const answer = await fetch(`/ledger/events/${sequence}`);
  // It has been forgotten since.
  if (!answer.ok) return;
  const { event, pipeline, receivedAt, contentHash } = await answer.json();
  write("details-title", event.eventName);
  write("details-about", `${NAMES[pipeline]}. Number ${number.format(sequence)}, arrived ${
    new Date(receivedAt * 1000).toLocaleString("en")}, content ${contentHash.slice(0, 8)}.`);
  write("details-event", JSON.stringify(event, null, 2));
  if (!at("details").open) at("details").showModal();
}

function showPlan(plan) {
  document.querySelectorAll("[data-plan]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.plan === plan)));
  at("other-plan").hidden = plan !== "other";
}

function kind(status) {
  return { n: "none", 2: "ok", 3: "client", 4: "client" }[status[0]] || "server";
}

function showRequests({ statuses, faults }) {
  const sorted = Object.entries(statuses).sort(([a], [b]) => a.localeCompare(b));
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  write("requests-total", total ? number.format(total) : "");
  at("share").replaceChildren(...sorted.map(([status, count]) => {
    const part = make("i", undefined, kind(status));
    part.style.flexGrow = count / total;
    return part;
  }));
  at("statuses").replaceChildren(...sorted.map(([status, count]) => {
    const entry = make("li", undefined, kind(status));
    entry.append(make("span", status === "none" ? "no answer" : status), make("b", number.format(count)));
    return entry;
  }));
  if (!total) at("statuses").append(make("li", "None yet", "nothing"));
  const struck = Object.entries(faults).sort(([, a], [, b]) => b - a);
  at("faults").replaceChildren(...struck.map(([name, count]) => make("span", `${name} ${number.format(count)}`)));
  if (struck.length) at("faults").prepend("faults");
}

function showTroubles(stats) {
  const rejected = stats.rejections.reduce((sum, { count }) => sum + count, 0);
  write("rejections-total", rejected ? number.format(rejected) : "");
  const most = Math.max(...stats.rejections.map(({ count }) => count));
  at("rejections").replaceChildren(...stats.rejections.slice(0, 7).map(({ reason, count }) => {
    const entry = make("li");
    const bar = make("i");
    bar.style.setProperty("--part", `${(count / most) * 100}%`);
    entry.append(make("span", reason), make("b", number.format(count)), bar);
    return entry;
  }));
  if (!rejected) at("rejections").append(make("li", "Nothing has been rejected", "nothing"));
  write("duplicates-total", stats.extraCopies ? `${number.format(stats.extraCopies)} ${stats.extraCopies === 1 ? "extra copy" : "extra copies"}` : "");
  at("duplicates").replaceChildren(...stats.duplicates.map(({ example, content_hash: hash, copies }) => {
    const entry = make("li");
    const label = make("span", example);
    label.append(make("small", hash.slice(0, 8)));
    entry.append(label, make("b", `× ${number.format(copies)}`));
    return entry;
  }));
  if (!stats.duplicates.length) at("duplicates").append(make("li", "No content was stored twice", "nothing"));
}

function showEmpty(stats, isEmpty) {
  at("empty").hidden = !isEmpty;
  at("chart-card").hidden = isEmpty;
  document.querySelector(".columns").hidden = isEmpty && !Object.keys(stats.statuses).length;
  const event = { eventName: "catalogViewed", email: "ada@example.com", eventProperties: { catalogId: "spring" } };
  write("origin", location.origin);
  write("sample", `curl -u '${stats.credentials || "API_KEY:API_SECRET"}' \\\n  ${
    location.origin}/integrations/bikPlatformFunctions-events/sendEvent \\\n  -H 'Content-Type: application/json' -d '${JSON.stringify({ event })}'`);
}

// A screen reader is told the totals four times a minute; every second would drown everything else.
function announce(pipelines) {
  const said = Object.keys(pipelines).filter((name) => !WRONG[name] || pipelines[name].total > 0)
    .map((name) => `${NAMES[name]}: ${number.format(pipelines[name].total)}`).join(", ");
  const soon = performance.now() - announcedAt < 15000;
  if (said === announced || soon || Object.values(pipelines).every(({ total }) => total === 0)) return;
  at("announce").textContent = announced = said;
  announcedAt = performance.now();
}

async function poll() {
  try {
    const answer = await fetch("/stats", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    const stats = await answer.json();
    showPipelines(stats.pipelines);
    showEmpty(stats, Object.values(stats.pipelines).every(({ total }) => total === 0));
    showChart(stats);
    showLatest(stats.latest);
    showPlan(stats.plan);
    showRequests(stats);
    showTroubles(stats);
    announce(stats.pipelines);
    write("pulse-text", `${location.host}, up ${stats.uptime < 60 ? `${Math.floor(stats.uptime)} s` : ago(stats.uptime).replace(" ago", "")}`);
    at("pulse").classList.remove("lost");
  } catch {
    write("pulse-text", "the sandbox does not answer");
    at("pulse").classList.add("lost");
  }
  setTimeout(poll, 1000);
}

document.querySelectorAll("[data-plan]").forEach((button) => button.addEventListener("click", async () => {
  const plan = button.getAttribute("aria-pressed") === "true" ? "none" : button.dataset.plan;
  const answer = await fetch("/faults", { method: "PUT", body: JSON.stringify(PLANS[plan]) });
  if (answer.ok) showPlan(plan);
}));
at("close").addEventListener("click", () => at("details").close());
at("clear").addEventListener("click", async ({ currentTarget: button }) => {
  if (!button.classList.contains("sure")) {
    button.classList.add("sure");
    button.textContent = "Forget everything?";
    setTimeout(() => { button.classList.remove("sure"); button.textContent = "Start over"; }, 3000);
    return;
  }
  await fetch("/ledger/clear", { method: "POST" });
});
at("copy").addEventListener("click", async ({ currentTarget: button }) => {
  await navigator.clipboard.writeText(at("sample").textContent);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy the command"; }, 1500);
});
poll();
