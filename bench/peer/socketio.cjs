// A Socket.IO server for "parley bench": "join" a topic to hear it, "pub" to tell it.
// usage: node socketio.cjs HOST PORT DIRECTORY-WITH-node_modules
const { createRequire } = require("node:module");
const { createServer } = require("node:http");
const path = require("node:path");

const [host, port, dir] = process.argv.slice(2);
const { Server } = createRequire(path.resolve(dir, "from.js"))("socket.io");
const http = createServer();
const io = new Server(http, { transports: ["websocket"] });

io.on("connection", (socket) => {
  socket.on("join", (topic, done) => {
    socket.join(topic);
    done("ok");
  });
  socket.on("pub", (topic, data) => io.to(topic).emit("msg", data));
});
http.listen(Number(port), host, 4096);
