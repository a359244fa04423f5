// Node's ws: says everything, the last in fragments with a ping between them.
//
//     node with_ws.mjs FOLDER_OF_WS URL < says.json

import { readFileSync } from "node:fs";

const { default: WebSocket } = await import(`${process.argv[2]}/wrapper.mjs`);
const says = JSON.parse(readFileSync(0, "utf8"));
const socket = new WebSocket(process.argv[3], { maxPayload: 0 });
const heard = [];
let ponged = false;

function sayNext() {
  const next = heard.length;
  if (next < says.length) socket.send(says[next]);
  else if (next === says.length) socket.send(Buffer.from([0, 255]));
  else if (next === says.length + 1) {
    socket.send("one ", { fin: false });
    socket.ping("?");
    socket.send("two ", { fin: false });
    socket.send("three", { fin: true });
  } else socket.close(1000, "done");
}

socket.on("open", sayNext);
socket.on("pong", () => (ponged = true));
socket.on("message", (data) => {
  heard.push(data.toString());
  sayNext();
});
socket.on("close", (code) => console.log(JSON.stringify({ heard, code, ponged })));
