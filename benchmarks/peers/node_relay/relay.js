// A relay in Node as one would write it: a webhook that answers with TwiML, and a WebSocket that hands Twilio's audio to
// the model and the model's to Twilio. No signature, no limits, no playback; barge-in is a clear.
//
//     node relay.js MODEL_URL

import { createServer } from "node:http";
import WebSocket, { WebSocketServer } from "ws";

const modelUrl = process.argv[2];
let calls = 0;

const server = createServer((request, response) => {
  request.resume();
  request.on("end", () => {
    calls += 1;
    const stream = `wss://${request.headers.host}/media-stream/${calls}`;
    response.setHeader("Content-Type", "text/xml");
    response.end(`<?xml version="1.0"?><Response><Connect><Stream url="${stream}" /></Connect></Response>`);
  });
});

new WebSocketServer({ server }).on("connection", (twilio) => {
  const model = new WebSocket(modelUrl, { headers: { Authorization: `Bearer ${process.env.ASSEMBLYAI_API_KEY}` } });
  let streamSid = null;
  let ready = false;

  model.on("open", () => model.send(JSON.stringify({ type: "session.update", session: { system_prompt: "Be kind." } })));

  twilio.on("message", (text) => {
    const message = JSON.parse(text);
    if (message.event === "media") {
      if (ready) model.send(JSON.stringify({ type: "input.audio", audio: message.media.payload }));
    } else if (message.event === "start") {
      streamSid = message.start.streamSid;
    } else if (message.event === "stop") {
      model.close();
    }
  });

  model.on("message", (text) => {
    const event = JSON.parse(text);
    if (event.type === "reply.audio") {
      twilio.send(JSON.stringify({ event: "media", streamSid, media: { payload: event.data } }));
    } else if (event.type === "session.ready") {
      ready = true;
    } else if (event.type === "input.speech.started") {
      twilio.send(JSON.stringify({ event: "clear", streamSid }));
    }
  });

  twilio.on("close", () => model.close());
  model.on("close", () => twilio.close());
  twilio.on("error", () => model.close());
  model.on("error", () => twilio.close());
});

server.listen(0, "127.0.0.1", 1024, () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
