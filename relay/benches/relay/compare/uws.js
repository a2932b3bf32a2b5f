// A relay on uWebSockets, as Bun has it: a topic that all subscribe to, with acks. bun uws.js PORT
Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no", { status: 400 })),
  websocket: {
    maxPayloadLength: 1 << 20,
    backpressureLimit: 256 << 20,
    closeOnBackpressureLimit: true,
    perMessageDeflate: false,
    open: (socket) => socket.subscribe("room"),
    message(socket, data) {
      socket.publish("room", data);
      if (typeof data === "string") socket.send("a");
    },
  },
});
