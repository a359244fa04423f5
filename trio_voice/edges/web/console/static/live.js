"use strict";
// Live: cards come and go, and words, times and costs change on them, as the feed tells. What anybody has said is text here,
// never markup. The page is fetched anew when the feed was lost, and now and then in case of what it does not tell: which
// calls there are and who is muted is taken from it, and no card is replaced that somebody has the keyboard on.
(() => {
  const cards = document.getElementById("cards"), newcomer = document.getElementById("newcomer");
  if (!cards || !newcomer) return;
  const OVER_MS = 4000; // for which a call that has ended says so
  const known = new Map(); // what is asked for at each word: a call's card, its fields, and when the call began

  const fieldsOf = (card) => Object.fromEntries([...card.querySelectorAll("[data-field]")].map((each) => [each.dataset.field, each]));
  const know = (card) => {
    const began = card.dataset.seconds ? performance.now() - 1000 * Number(card.dataset.seconds) : null;
    const call = {card, began, fields: fieldsOf(card), words: card.querySelector(".words")};
    known.set(card.dataset.call, call);
    return call;
  };
  const put = (call, field, text) => {
    const place = call.fields[field];
    if (place && place.textContent !== text) place.textContent = text;
  };
  const dress = (element, names) => { if (element.className !== names) element.className = names; };
  const clock = (seconds) => {
    const whole = Math.floor(seconds), two = (number) => String(number).padStart(2, "0");
    if (whole < 60) return `${whole} s`;
    const minutes = Math.floor(whole / 60);
    return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  };
  const money = (data) => data.total === null || !data.currency ? "–"
    : data.currency === "USD" ? `$ ${data.total.toFixed(4)}` : `${data.total.toFixed(4)} ${data.currency}`;

  const counted = () => {
    const many = cards.querySelectorAll("[data-call]:not(.over)").length;
    document.getElementById("count").textContent = `${many} ${many === 1 ? "call" : "calls"}`;
    cards.querySelector(".empty").hidden = cards.querySelector("[data-call]") !== null;
  };
  const add = (card) => {
    cards.querySelector(".cards").append(card);
    return know(card);
  };
  const remove = (call) => {
    known.delete(call.card.dataset.call);
    call.card.remove();
    counted();
  };
  const come = (data) => {
    const card = newcomer.content.firstElementChild.cloneNode(true);
    const other = (data.direction === "inbound" ? data.from : data.to) || "unknown";
    card.dataset.call = data.call_id;
    card.setAttribute("aria-label", `Call of ${other}`);
    for (const link of card.querySelectorAll("a")) {
      link.setAttribute("href", link.getAttribute("href").replace("/calls/", `/calls/${encodeURIComponent(data.call_id)}`));
    }
    const call = add(card);
    put(call, "other", other);
    put(call, "direction", data.direction);
    put(call, "persona", data.persona);
    counted();
    return call;
  };

  const told = {
    call(call, data) {
      put(call, "state", data.state);
      dress(call.fields.state, `state ${data.state}`);
      if (data.model) put(call, "model", data.model);
    },
    words(call, data) {
      put(call, "words", data.text);
      put(call, "role", data.role);
      dress(call.words, `words ${data.role}`);
    },
    turn(call, data) { put(call, "latency", `${data.latency_ms} ms`); },
    tool(call, data) { put(call, "words", `${data.name} …`); put(call, "role", "tool"); },
    cost(call, data) {
      put(call, "cost", money(data));
      if (data.seconds !== null) call.began = performance.now() - 1000 * data.seconds;
    },
    end(call, data) {
      put(call, "state", `ended: ${data.end_reason || "settled"}`);
      call.card.classList.add("over");
      for (const action of call.card.querySelectorAll(".actions")) action.remove();
      call.began = null;
      counted();
      setTimeout(() => { if (known.get(data.call_id) === call) remove(call); }, OVER_MS);
    },
  };

  // htmx holds the connection; what comes by it is put into its place here.
  document.body.addEventListener("htmx:sseBeforeMessage", (event) => {
    const {type, data} = event.detail;
    if (!(type in told)) return;
    event.preventDefault();
    const fields = JSON.parse(data);
    const call = known.get(fields.call_id) || (type === "call" ? come(fields) : null);
    if (call) told[type](call, fields);
  });

  const lost = document.getElementById("lost");
  document.body.addEventListener("htmx:sseError", (event) => {
    if (!lost.textContent) lost.textContent = `No news since ${new Date().toLocaleTimeString("en-GB")}: what is below is as it was then.`;
    // The daemon has answered, and not with the feed: the page is told that nobody is signed in.
    if (event.detail.source.readyState === EventSource.CLOSED) htmx.trigger(cards, "anew");
  });
  document.body.addEventListener("htmx:sseOpen", () => {
    if (lost.textContent) htmx.trigger(cards, "anew");
    lost.textContent = "";
  });

  cards.addEventListener("htmx:beforeSwap", (event) => {
    event.detail.shouldSwap = false;
    const fetched = new DOMParser().parseFromString(event.detail.serverResponse, "text/html").getElementById("cards");
    if (!fetched) return; // no longer signed in, or the daemon is stopping
    const there = new Map([...fetched.querySelectorAll("[data-call]")].map((card) => [card.dataset.call, card]));
    for (const [id, call] of [...known]) {
      const card = there.get(id);
      if (!card) {
        if (!call.card.classList.contains("over")) remove(call);
        continue;
      }
      const links = [...call.card.querySelectorAll(".actions a")];
      [...card.querySelectorAll(".actions a")].forEach((link, place) => {
        if (!links[place] || links[place].textContent === link.textContent) return;
        links[place].textContent = link.textContent;
        links[place].setAttribute("href", link.getAttribute("href"));
      });
    }
    for (const [id, card] of there) if (!known.has(id)) add(document.importNode(card, true));
    counted();
  });

  for (const card of cards.querySelectorAll("[data-call]")) know(card);
  setInterval(() => {
    for (const call of known.values()) {
      if (call.began !== null) put(call, "time", clock((performance.now() - call.began) / 1000));
    }
  }, 500);
  counted();
})();
