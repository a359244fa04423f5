"use strict";
// Live: words, times and costs on the cards as the feed tells them. What anybody has said is text here, never markup.
(() => {
  const cards = document.getElementById("cards");
  if (!cards) return;
  const began = new Map();

  const cardOf = (id) => cards.querySelector(`[data-call="${CSS.escape(id)}"]`);
  const put = (card, field, text) => {
    const place = card.querySelector(`[data-field="${field}"]`);
    if (place && place.textContent !== text) place.textContent = text;
  };
  const clock = (seconds) => {
    const whole = Math.floor(seconds), two = (number) => String(number).padStart(2, "0");
    if (whole < 60) return `${whole} s`;
    const minutes = Math.floor(whole / 60);
    return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  };
  const money = (data) => data.total === null || !data.currency ? "–"
    : data.currency === "USD" ? `$ ${data.total.toFixed(4)}` : `${data.total.toFixed(4)} ${data.currency}`;

  const told = {
    call(card, data) {
      put(card, "state", data.state);
      card.querySelector("[data-field=state]").className = `state ${data.state}`;
      if (data.model) put(card, "model", data.model);
    },
    words(card, data) {
      put(card, "words", data.text);
      put(card, "role", data.role);
      card.querySelector(".words").className = `words ${data.role}`;
    },
    turn(card, data) { put(card, "latency", `${data.latency_ms} ms`); },
    tool(card, data) { put(card, "words", `${data.name} …`); put(card, "role", "tool"); },
    cost(card, data) {
      put(card, "cost", money(data));
      if (data.seconds !== null) began.set(data.call_id, performance.now() - 1000 * data.seconds);
    },
    end(card, data) {
      put(card, "state", `ended: ${data.end_reason}`);
      card.classList.add("over");
      for (const action of card.querySelectorAll(".actions")) action.remove();
      began.delete(data.call_id);
    },
  };

  // htmx holds the connection and fetches the cards anew when a call comes; what changes on them is done here.
  document.body.addEventListener("htmx:sseBeforeMessage", (event) => {
    const {type, data} = event.detail;
    if (!(type in told)) return;
    const fields = JSON.parse(data), card = cardOf(fields.call_id);
    if (type !== "call" || card) event.preventDefault();
    if (card) told[type](card, fields);
    else if (type === "call") htmx.trigger(cards, "newcall");
    if (type === "call") event.preventDefault();
    if (type === "end") setTimeout(() => htmx.trigger(cards, "newcall"), 4000);
  });

  const note = () => {
    for (const card of cards.querySelectorAll("[data-seconds]")) {
      if (card.dataset.seconds && !began.has(card.dataset.call)) {
        began.set(card.dataset.call, performance.now() - 1000 * Number(card.dataset.seconds));
      }
    }
    const count = document.getElementById("count"), many = cards.querySelectorAll("[data-call]:not(.over)").length;
    if (count) count.textContent = `${many} ${many === 1 ? "call" : "calls"}`;
  };
  document.body.addEventListener("htmx:afterSettle", note);
  setInterval(() => {
    for (const [id, since] of began) {
      const card = cardOf(id);
      if (card) put(card, "time", clock((performance.now() - since) / 1000));
    }
  }, 500);
  note();
})();
