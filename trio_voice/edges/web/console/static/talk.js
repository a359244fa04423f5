/* The telephone's page: a call is a WebSocket that speaks Twilio's stream protocol, on a path that is good once. */
"use strict";

const page = document.getElementById("telephone");
const at = (name) => document.getElementById(name);
const FRAME_MS = 20;
const SOUND_MS = 8000; // for the sound device to be ready: a Bluetooth headset takes seconds

const WORDS = {
  insecure:
    "Browsers give a microphone only to pages of this machine (http://127.0.0.1 or http://localhost) or with https. " +
    "Open this page there: through ssh -L, or set public_url of [operator] behind a TLS proxy.",
  refused:
    "The microphone is blocked for this page. Allow it: the sign beside the address opens the permission; then press Call again.",
  missing: "There is no microphone: plug one in or switch it on, then press Call again.",
  busy: "The microphone cannot be opened: another program may be using it. Close that, then press Call again.",
  gone: "The microphone was taken away: plug it in or allow it again, then press Call again.",
  silent: "There is no loudspeaker: plug one in or switch it on, load the page again, then press Call.",
  out: "You are signed out: load the page again and sign in. A call that lives goes on until you hang up.",
  lost: "The connection to the daemon was lost. Is it still running?",
};

const ENDS = {
  hangup: "You hung up.",
  agent: "The agent said goodbye and hung up.",
  operator: "The call was hung up from the console.",
  time_limit: "The longest time for a call is over.",
  idle: "Nobody had spoken for a while.",
  drain: "The daemon is being stopped.",
  model_failed: "The model failed; the call's page says why.",
  model_ended: "The model ended its session.",
  caller_lost: "The connection was lost.",
  caller_stalled: "No sound came from this page any more.",
  start_timeout: "This page opened the call and did not begin it.",
  bug: "The daemon has a fault; its log says where.",
};

let call = null;

function tell(words, isTrouble = false) {
  at("state").textContent = words;
  at("trouble").hidden = !isTrouble;
  at("trouble").textContent = isTrouble ? words : "";
}

function show(phase) {
  page.dataset.phase = phase;
  const live = phase === "live";
  at("call").disabled = phase !== "idle";
  at("persona").disabled = phase !== "idle";
  for (const button of document.querySelectorAll("[data-live]")) button.disabled = !live;
}

/* A button that is switched off loses the keyboard to the top of the page: the one that begins another call takes it. */
function focusOnCall() {
  const has = document.activeElement;
  if (has === null || has === document.body || has.disabled) at("call").focus();
}

function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function invented(prefix) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return prefix + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

class Call {
  constructor(persona) {
    this.persona = persona;
    this.sequence = 0;
    this.chunk = 0;
    this.timestamp = null;
    this.muted = false;
    this.over = false;
    this.streamSid = invented("MZ");
    this.callSid = invented("CA");
    this.accountSid = invented("AC");
  }

  async begin() {
    if (!window.isSecureContext || !navigator.mediaDevices) throw new Error(WORDS.insecure);
    // Made within the click, or it would not be let play.
    this.context = new AudioContext({ sampleRate: 8000, latencyHint: "interactive" });
    try {
      // Echo cancellation alone: what else a browser does to speech is for people's ears, and a recogniser understands
      // less of it (measured: its noise suppression eats first syllables, its gain clips them).
      this.microphone = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: true, noiseSuppression: false, autoGainControl: false },
      });
    } catch (error) {
      const known = { NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "missing", OverconstrainedError: "missing" };
      throw new Error(WORDS[known[error.name] || "busy"]);
    }
    if (this.over) return this.release();
    tell("Connecting …");
    // Without a device to play on, Firefox waits for one for as long as it takes.
    await Promise.race([this.context.resume(), new Promise((resolve) => setTimeout(resolve, SOUND_MS))]);
    if (this.context.state !== "running") throw new Error(WORDS.silent);
    await this.context.audioWorklet.addModule(page.dataset.worklet);
    this.node = new AudioWorkletNode(this.context, "telephone", {
      numberOfInputs: 1,
      numberOfOutputs: 1,
      outputChannelCount: [1],
    });
    this.node.port.onmessage = (event) => this.heardFromWorklet(event.data);
    // Created at the device's rate where the browser does not resample between contexts.
    this.source = this.context.createMediaStreamSource(this.microphone);
    this.source.connect(this.node);
    this.node.connect(this.context.destination);
    this.context.onstatechange = () => {
      if (!this.over && this.context.state === "suspended") this.context.resume();
    };
    const [track] = this.microphone.getAudioTracks();
    if (track.readyState === "ended") throw new Error(WORDS.gone); // while the sound device was waited for
    track.onended = () => this.end(WORDS.gone);
    const promised = await fetch("/browser-calls", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ persona: this.persona }),
    }).catch(() => {
      throw new Error(WORDS.lost);
    });
    const told = await promised.json().catch(() => ({}));
    if (promised.status === 401) throw new Error(WORDS.out);
    if (!promised.ok) throw new Error((told.error && told.error.message) || `The daemon answered ${promised.status}.`);
    if (this.over) return undefined;
    this.id = told.call_id;
    return this.connect(told.stream_url);
  }

  connect(address) {
    this.socket = new WebSocket(address);
    this.socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    this.socket.onclose = () => this.end();
    return new Promise((resolve, reject) => {
      this.socket.onerror = () => reject(new Error(WORDS.lost));
      this.socket.onopen = () => {
        this.socket.onerror = null;
        this.began = performance.now();
        this.socket.send(JSON.stringify({ event: "connected", protocol: "Call", version: "1.0.0" }));
        this.send("start", {
          accountSid: this.accountSid,
          streamSid: this.streamSid,
          callSid: this.callSid,
          tracks: ["inbound"],
          mediaFormat: { encoding: "audio/x-mulaw", sampleRate: 8000, channels: 1 },
          customParameters: {},
        });
        resolve();
      };
    });
  }

  send(event, body) {
    if (!this.socket || this.socket.readyState !== WebSocket.OPEN) return;
    this.sequence += 1;
    const message = { event, sequenceNumber: String(this.sequence), [event]: body, streamSid: this.streamSid };
    this.socket.send(JSON.stringify(message));
  }

  receive(message) {
    if (message.event === "media") this.node.port.postMessage({ play: bytesOf(message.media.payload) });
    else if (message.event === "mark") this.node.port.postMessage({ mark: message.mark.name });
    else if (message.event === "clear") this.node.port.postMessage({ clear: true });
  }

  heardFromWorklet(told) {
    if (told.frame) this.sendFrame(told.frame, told.level);
    else if (told.mark !== undefined) this.send("mark", { name: told.mark });
    else if (told.heard !== undefined) floor.agent(told.heard);
  }

  sendFrame(frame, level) {
    floor.caller(this.muted ? 0 : level);
    if (this.began === undefined || this.over) return;
    this.timestamp = this.timestamp === null ? Math.round(performance.now() - this.began) : this.timestamp + FRAME_MS;
    this.chunk += 1;
    this.send("media", {
      track: "inbound",
      chunk: String(this.chunk),
      timestamp: String(this.timestamp),
      payload: base64(frame),
    });
  }

  press(digit) {
    this.send("dtmf", { track: "inbound_track", digit });
  }

  mute(muted) {
    this.muted = muted;
    this.node.port.postMessage({ muted });
  }

  hangUp() {
    this.send("stop", { accountSid: this.accountSid, callSid: this.callSid });
    this.end("You hung up.");
  }

  /* Everything that was opened is closed, whoever ended it. */
  end(words) {
    if (this.over) return;
    this.over = true;
    if (this.socket) {
      this.socket.onclose = null;
      this.socket.close(1000);
    }
    this.release();
    ended(this, words);
  }

  release() {
    this.over = true;
    if (this.microphone) for (const track of this.microphone.getTracks()) track.stop();
    if (this.source) this.source.disconnect();
    if (this.node) this.node.disconnect();
    if (this.context && this.context.state !== "closed") this.context.close();
  }
}

/* Who has the floor, as this page hears it. */
const floor = {
  levels: { caller: 0, agent: 0 },
  lastHeard: { caller: -Infinity, agent: -Infinity },
  caller(level) {
    this.note("caller", level);
  },
  agent(level) {
    this.note("agent", level);
  },
  note(who, level) {
    this.levels[who] = level;
    if (level > (who === "agent" ? 0.01 : 0.05)) this.lastHeard[who] = performance.now();
  },
  draw() {
    for (const who of ["caller", "agent"]) at(`level-${who}`).value = Math.min(1, Math.sqrt(this.levels[who]));
    if (page.dataset.phase !== "live") return;
    const now = performance.now();
    const speaks = (who) => now - this.lastHeard[who] < 400;
    const words = speaks("agent") ? "The agent speaks" : speaks("caller") ? "You speak" : "Listening";
    if (at("floor").textContent !== words) at("floor").textContent = words;
    at("floor").className = `floor ${speaks("agent") ? "agent" : speaks("caller") ? "caller" : ""}`;
  },
};

/* What is said, as the daemon tells it. */
const transcript = {
  open: {},
  clear() {
    this.open = {};
    at("lines").replaceChildren();
    at("turn").textContent = "–";
  },
  line(role) {
    const line = document.createElement("div");
    line.className = `line ${role}`;
    const who = document.createElement("span");
    who.className = "who";
    who.textContent = role === "agent" ? "Agent" : "You";
    const words = document.createElement("p");
    words.dir = "auto";
    line.append(who, words);
    at("lines").append(line);
    return line;
  },
  say(role, text, final) {
    const who = role === "agent" ? "agent" : "caller";
    if (!text) return;
    const line = this.open[who] || this.line(who);
    line.lastElementChild.textContent = text;
    this.open[who] = final ? null : line;
    line.scrollIntoView({ block: "nearest" });
  },
  turn(ms) {
    at("turn").textContent = `${Math.round(ms)} ms`;
    const lines = at("lines").querySelectorAll(".line.agent .who");
    if (lines.length) lines[lines.length - 1].textContent = `Agent, after ${Math.round(ms)} ms`;
  },
  whole(record) {
    at("lines").replaceChildren();
    this.open = {};
    for (const each of record.transcript || []) this.say(each.role, each.text + (each.interrupted ? " —" : ""), true);
    const turns = record.turns || [];
    if (turns.length) this.turn(turns[turns.length - 1].latency_ms);
  },
};

/* The feed, and where there is none, the record once a second. */
function follow(of) {
  const feed = new EventSource("/events");
  let isHeard = false;
  const on = (kind, take) =>
    feed.addEventListener(kind, (event) => {
      const told = JSON.parse(event.data);
      if (told.call_id !== of.id) return;
      isHeard = true;
      take(told);
    });
  on("words", (told) => transcript.say(told.role, told.text, told.final));
  on("turn", (told) => transcript.turn(told.latency_ms));
  on("call", () => {});
  feed.onerror = () => {
    if (feed.readyState === EventSource.CLOSED) isHeard = false; // it was refused, and does not come back by itself
  };
  of.poll = setInterval(async () => {
    if (isHeard || of.over) return;
    const record = await recordOf(of);
    if (record && !isHeard && !of.over) transcript.whole(record);
  }, 1000);
  of.feed = feed;
}

async function recordOf(of) {
  if (!of.id) return null;
  try {
    const answer = await fetch(`/calls/${of.id}`, { headers: { Accept: "application/json" } });
    if (answer.status === 401) tell(WORDS.out, true);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

async function ended(of, words) {
  clearInterval(of.poll);
  clearInterval(of.timer);
  if (of.feed) of.feed.close();
  if (call === of) call = null;
  floor.levels = { caller: 0, agent: 0 };
  show("idle");
  focusOnCall();
  at("mute").setAttribute("aria-pressed", "false");
  at("floor").textContent = "No call";
  at("floor").className = "floor";
  tell(`The call has ended. ${words || ""}`.trim());
  if (!of.id) return;
  const link = at("record");
  link.href = `/console/calls/${of.id}`;
  link.hidden = false;
  let record = null;
  for (let tries = 0; tries < 8 && (!record || !record.end_reason); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    record = await recordOf(of);
  }
  if (!record || call !== null) return;
  if (record.transcript && record.transcript.length) transcript.whole(record);
  if (!words) tell(`The call has ended. ${ENDS[record.end_reason] || record.end_detail || ""}`.trim());
}

async function begin() {
  if (call !== null) return;
  const of = (call = new Call(at("persona").value));
  transcript.clear();
  at("record").hidden = true;
  show("opening");
  tell("Asking for the microphone …");
  try {
    await of.begin();
    if (of.over) return;
    show("live");
    tell("Connected: speak.");
    follow(of);
    const began = Date.now();
    const tick = () => {
      const seconds = Math.floor((Date.now() - began) / 1000);
      at("timer").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    };
    tick();
    of.timer = setInterval(tick, 250);
    at("hang-up").focus();
  } catch (error) {
    of.release();
    if (of.socket) of.socket.close();
    call = null;
    show("idle");
    focusOnCall();
    tell(error.message, true);
  }
}

at("call").addEventListener("click", begin);
at("hang-up").addEventListener("click", () => {
  if (call) call.hangUp();
});
at("mute").addEventListener("click", () => {
  if (!call) return;
  call.mute(!call.muted);
  at("mute").setAttribute("aria-pressed", String(call.muted));
});
for (const key of document.querySelectorAll("[data-key]")) {
  key.addEventListener("click", () => call && call.press(key.dataset.key));
}
document.addEventListener("keydown", (event) => {
  if (!call || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  if (/^[0-9*#]$/.test(event.key)) call.press(event.key);
});
window.addEventListener("pagehide", () => call && call.end());
setInterval(() => floor.draw(), 100);
show("idle");
if (!window.isSecureContext || !navigator.mediaDevices) tell(WORDS.insecure, true);
