// The relay of the usual tutorials: one HTTP route that answers with TwiML, one WebSocket for each call, and one more to
// AssemblyAI's agent. It ends a call as they say: on `stop` the model's socket is closed, and whichever socket closes
// closes the other. Nothing is added that they do not describe, and nothing is left out.

import { createServer } from "node:http";
import WebSocket, { WebSocketServer } from "ws";

const { PORT, MODEL_URL, PUBLIC_URL, ASSEMBLYAI_API_KEY } = process.env;

const server = createServer((request, response) => {
  request.resume();
  if (request.method !== "POST" || request.url !== "/twiml") {
    response.writeHead(404).end();
    return;
  }
  const stream = `${PUBLIC_URL.replace(/^http/, "ws")}/media-stream/${crypto.randomUUID()}`;
  response.writeHead(200, { "Content-Type": "text/xml" });
  response.end(`<Response><Connect><Stream url="${stream}" /></Connect></Response>`);
});

const tools = {
  generate_random_number: {
    description: "Draw a random number from 1 to 100.",
    run: async () => ({ number: 1 + Math.floor(Math.random() * 100) }),
  },
  never_returns: { description: "Look something up that is never found.", run: () => new Promise(() => {}) },
};

const session = {
  system_prompt: "You answer the telephone of a lighthouse.",
  greeting: "Ahoy, this is the lighthouse.",
  input: { format: { encoding: "audio/pcmu" } },
  output: { voice: "ivy", format: { encoding: "audio/pcmu" } },
  tools: Object.entries(tools).map(([name, { description }]) => ({
    type: "function",
    name,
    description,
    parameters: { type: "object", properties: {} },
  })),
};

new WebSocketServer({ server }).on("connection", (twilio) => {
  let streamSid = null;
  let ready = false;
  const model = new WebSocket(MODEL_URL, { headers: { Authorization: `Bearer ${ASSEMBLYAI_API_KEY}` } });
  const toModel = (message) => model.readyState === WebSocket.OPEN && model.send(JSON.stringify(message));
  const toTwilio = (message) =>
    streamSid && twilio.readyState === WebSocket.OPEN && twilio.send(JSON.stringify({ ...message, streamSid }));

  model.on("open", () => toModel({ type: "session.update", session }));

  model.on("message", async (data) => {
    let event;
    try {
      event = JSON.parse(data.toString()) ?? {};
    } catch {
      return;
    }
    switch (event.type) {
      case "session.ready":
        ready = true;
        break;
      case "reply.audio":
        toTwilio({ event: "media", media: { payload: event.data } });
        break;
      case "input.speech.started":
        toTwilio({ event: "clear" });
        break;
      case "reply.done":
        if (event.status === "interrupted") toTwilio({ event: "clear" });
        break;
      case "tool.call": {
        const result = await tools[event.name].run(event.arguments);
        toModel({ type: "tool.result", call_id: event.call_id, result: JSON.stringify(result) });
        break;
      }
      case "session.error":
        console.error("the model complains:", event.code, event.message);
        break;
    }
  });

  twilio.on("message", (data) => {
    let message;
    try {
      message = JSON.parse(data.toString()) ?? {};
    } catch {
      return;
    }
    switch (message.event) {
      case "start":
        streamSid = message.start.streamSid;
        break;
      case "media":
        if (ready && message.media?.payload) toModel({ type: "input.audio", audio: message.media.payload });
        break;
      case "stop":
        model.close();
        break;
    }
  });

  twilio.on("close", () => model.close());
  model.on("close", () => twilio.close());
  twilio.on("error", (error) => console.error("twilio:", error.message));
  model.on("error", (error) => console.error("model:", error.message));
});

server.listen(Number(PORT), "127.0.0.1");
