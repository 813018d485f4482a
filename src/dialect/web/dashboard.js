"use strict";
const POLL_MS = 2000, TIMEOUT_MS = 5000, INCIDENTS_SHOWN = 20;
const at = (id) => document.getElementById(id);
let lastAnswer = null;

// Everything that comes from the service is inserted as text, never as markup.
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function duration(seconds) {
  if (seconds < 120) return seconds + " s";
  if (seconds < 7200) return Math.floor(seconds / 60) + " min";
  if (seconds < 172800) return Math.floor(seconds / 3600) + " h";
  return Math.floor(seconds / 86400) + " days";
}

function amount(bits) {
  for (const [size, unit] of [[1e9, " Gbit"], [1e6, " Mbit"], [1e3, " kbit"]]) {
    if (bits >= size) return (bits / size).toPrecision(3) + unit;
  }
  return (bits > 0 && bits < 10 ? bits.toFixed(1) : Math.round(bits)) + " bit";
}

function moment(rfc3339) {
  const shown = element("time", "soft", new Date(rfc3339).toLocaleString());
  shown.dateTime = rfc3339;
  return shown;
}

function showState(status) {
  document.body.dataset.state = status.state;
  document.title = status.state + " – lavawall";
  setText(at("state"), status.state);
  setText(at("reason"), status.reason ?? "");
  const quorum = status.quorum;
  const facts = [
    ["Generation", status.generation],
    ["Seed age", status.seed_age_seconds === null ? "–" : duration(status.seed_age_seconds)],
    ["Independent kinds", quorum.present.length + " healthy, " + quorum.needed + " needed"],
    ["Up for", duration(status.uptime_seconds)],
    ["Memory", status.memory_locked ? "locked" : "not locked"],
    ["Transport", status.tls ? "TLS" : "in the clear"],
  ];
  at("facts").replaceChildren(...facts.map(([name, value]) => {
    const fact = element("div");
    fact.append(element("dt", "", name), element("dd", "", value));
    return fact;
  }));
}

function cell(label, className, ...parts) {
  const made = element("td", className);
  made.dataset.label = label;
  made.append(...parts.filter(Boolean));
  return made;
}

// An age in the largest unit of which it has two.
function ago(seconds) {
  if (seconds < 120) return seconds + " s ago";
  return seconds < 7200 ? Math.floor(seconds / 60) + " min ago" : Math.floor(seconds / 3600) + " h ago";
}

function row(source) {
  const made = element("tr");
  const role = [source.required && "required", source.in_last_seed && "in the last seed"];
  const alarm = source.last_alarm;
  made.append(
    cell("Source", "", element("strong", "", source.id),
      element("small", "", source.type + " · " + source.kind)),
    cell("Health", "", element("span", "health " + source.state, source.state),
      element("small", "", role.filter(Boolean).join(", "))),
    cell("Credit", "figure", element("span", "", amount(source.credit_bits_per_second) + "/s"),
      element("small", "", amount(source.credited_bits) + " in all")),
    cell("Rests on", "", element("span", "", source.credit_basis),
      source.live && element("small", "", ago(source.live.age_seconds) + " " + source.live.min_entropy.toFixed(2) + " bits per symbol by " + source.live.estimator),
      source.identity && element("small", "", source.identity),
      source.virtual && element("span", "note", "on a bus that software can fake"),
      ...source.notes.map((note) => element("span", "note", note))),
    alarm ? cell("Last alarm", "", element("span", "", alarm.test + " (" + alarm.severity + ")"),
      element("small", "", alarm.detail), moment(alarm.at),
      element("small", "", source.alarms + (source.alarms === 1 ? " alarm" : " alarms") + " in all"))
      : cell("Last alarm", "soft", element("span", "", "none")),
  );
  return made;
}

function showIncidents(incidents) {
  at("incidents").hidden = false;
  const last = incidents.slice(-INCIDENTS_SHOWN).reverse().map((incident) => {
    const made = element("li");
    if (incident.source) made.append(element("strong", "", incident.source));
    made.append(element("span", "", incident.text), " ", moment(incident.at));
    return made;
  });
  at("incidents").querySelector("ol")
    .replaceChildren(...(last.length ? last : [element("li", "soft", "None since the start.")]));
}

function showWall(source) {
  const wall = at("wall"), picture = wall.querySelector("img");
  if (!source) {
    wall.hidden = true;
    picture.removeAttribute("src");
    return;
  }
  setText(wall.querySelector("figcaption"),
    "The wall as " + source + " gives it: a recording or a drawing, credited nothing. A live camera's picture is a secret and is never shown.");
  // The new picture takes the place of the old one once it is there; the number in its address
  // keeps the browser from showing the old one again.
  const next = new Image();
  next.alt = picture.alt;
  next.onload = () => { wall.querySelector("img").replaceWith(next); wall.hidden = false };
  next.onerror = () => { wall.hidden = true };
  next.src = "/wall.png?" + Date.now();
}

function showUnreachable(why) {
  document.body.dataset.state = "unreachable";
  document.title = "unreachable – lavawall";
  setText(at("state"), "unreachable");
  const since = lastAnswer ? "No answer since " + lastAnswer.toLocaleTimeString() + ": " : "No answer: ";
  setText(at("reason"), since + why);
}

async function poll() {
  try {
    const answer = await fetch("/status", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error("/status says " + answer.status);
    const status = await answer.json();
    lastAnswer = new Date();
    showState(status);
    showWall(status.picture);
    at("sources").hidden = false;
    at("sources").querySelector("tbody").replaceChildren(...status.sources.map(row));
    showIncidents(status.incidents);
    setText(at("updated"), "As of " + lastAnswer.toLocaleTimeString());
  } catch (error) {
    showUnreachable(error.message);
  }
  setTimeout(poll, POLL_MS);
}

poll();
