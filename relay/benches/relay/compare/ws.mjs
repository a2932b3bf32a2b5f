// A relay on Node's `ws`: what one gets by its documentation's example of a broadcast, with acks.
// node ws.mjs PORT, with `ws` in NODE_PATH's place: the folder that it was installed to is the current one.
import { createRequire } from "node:module";

const { WebSocketServer, WebSocket } = createRequire(process.cwd() + "/")("ws");
const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), maxPayload: 1 << 20 });
server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => {
    for (const other of server.clients) {
      if (other !== socket && other.readyState === WebSocket.OPEN) other.send(data, { binary: isBinary });
    }
    if (!isBinary) socket.send("a");
  });
});
