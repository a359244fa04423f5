// The relay of the usual tutorials, in Node with ws: a webhook that answers with TwiML, and for each call a WebSocket from
// Twilio and one to AssemblyAI's agent. It ends a call as they say: on `stop` the model's socket is closed, and whichever
// socket closes closes the other. Nothing is added that they do not describe: no signature, no limits, no playback.
//
//     node relay.js MODEL_URL [PORT]
//
// On a free port if none is given; its own address, for the TwiML, is PUBLIC_URL or what it was asked at.

import { createServer } from "node:http";
import WebSocket, { WebSocketServer } from "ws";

const [modelUrl, port = "0"] = process.argv.slice(2);
const { PUBLIC_URL, ASSEMBLYAI_API_KEY } = process.env;

const server = createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    const base = (PUBLIC_URL ?? `https://${request.headers.host}`).replace(/^http/, "ws");
    const stream = `${base}/media-stream/${crypto.randomUUID()}`;
    response.setHeader("Content-Type", "text/xml");
    response.end(`<?xml version="1.0"?><Response><Connect><Stream url="${stream}" /></Connect></Response>`);
  });
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

function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

new WebSocketServer({ server }).on("connection", (twilio) => {
  const model = new WebSocket(modelUrl, { headers: { Authorization: `Bearer ${ASSEMBLYAI_API_KEY}` } });
  let streamSid = null;
  let ready = false;

  model.on("open", () => model.send(JSON.stringify({ type: "session.update", session })));

  twilio.on("message", (text) => {
    const message = parsed(text);
    if (message.event === "media") {
      if (ready && message.media) model.send(JSON.stringify({ type: "input.audio", audio: message.media.payload }));
    } else if (message.event === "start") {
      streamSid = message.start.streamSid;
    } else if (message.event === "stop") {
      model.close();
    }
  });

  model.on("message", (text) => {
    const event = parsed(text);
    if (event.type === "reply.audio") {
      twilio.send(JSON.stringify({ event: "media", streamSid, media: { payload: event.data } }));
    } else if (event.type === "session.ready") {
      ready = true;
    } else if (event.type === "input.speech.started" || event.status === "interrupted") {
      twilio.send(JSON.stringify({ event: "clear", streamSid }));
    } else if (event.type === "tool.call") {
      callTool(event);
    } else if (event.type === "session.error") {
      console.error("the model complains:", event.code, event.message);
    }
  });

  async function callTool({ name, arguments: given, call_id }) {
    const result = (await tools[name]?.run(given)) ?? { error: `there is no tool ${name}` };
    if (model.readyState === WebSocket.OPEN) {
      model.send(JSON.stringify({ type: "tool.result", call_id, result: JSON.stringify(result) }));
    }
  }

  twilio.on("close", () => model.close());
  model.on("close", () => twilio.close());
  twilio.on("error", () => model.close());
  model.on("error", () => twilio.close());
});

server.listen(Number(port), "127.0.0.1", 1024, () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
