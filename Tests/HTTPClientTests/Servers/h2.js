// An HTTP/2 server on loopback: `node h2.js CERTIFICATE KEY`. Prints its port, ends with its standard input. Counts what it
// was asked; `/count?P` tells how often P was.
const http2 = require('node:http2');
const fs = require('node:fs');
const zlib = require('node:zlib');

const seen = new Map();
const bomb = zlib.gzipSync(Buffer.alloc(64 << 20));
const server = http2.createSecureServer({
  cert: fs.readFileSync(process.argv[2]), key: fs.readFileSync(process.argv[3]), allowHTTP1: false,
});
const {NGHTTP2_REFUSED_STREAM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_HTTP_1_1_REQUIRED} = http2.constants;

server.on('sessionError', () => {});
const sockets = new Map();
server.on('secureConnection', (socket) => sockets.set(socket.remotePort, socket));
const socketOf = (stream) => sockets.get(stream.session.socket.remotePort);
server.on('stream', (stream, headers) => {
  const path = headers[':path'];
  stream.on('error', () => {});
  const pieces = [];
  stream.on('data', (piece) => pieces.push(piece));
  stream.on('end', () => answer(stream, path, Buffer.concat(pieces)));
});

function answer(stream, path, body) {
  const name = path.split('?')[0];
  if (name === '/count') {
    stream.respond({':status': 200});
    stream.end(String(seen.get(path.split('?')[1]) ?? 0));
    return;
  }
  seen.set(path, (seen.get(path) ?? 0) + 1);
  switch (name) {
    case '/echo': stream.respond({':status': 200, 'x-session': String(stream.session.socket.remotePort)}); stream.end(body); break;
    case '/refused': stream.close(NGHTTP2_REFUSED_STREAM); break;
    case '/broken': stream.close(NGHTTP2_INTERNAL_ERROR); break;
    case '/old': stream.close(NGHTTP2_HTTP_1_1_REQUIRED); break;
    case '/away': stream.session.goaway(0, 0); stream.session.destroy(); break;
    case '/gone': socketOf(stream).destroy(); break;
    case '/cut': stream.respond({':status': 200, 'content-length': 50}); stream.write('part'); setTimeout(() => socketOf(stream).destroy(), 50); break;
    case '/short': stream.respond({':status': 200}); stream.write('part'); setTimeout(() => stream.destroy(new Error('cut')), 50); break;
    case '/hold': break;
    case '/bomb': stream.respond({':status': 200, 'content-encoding': 'gzip'}); stream.end(bomb); break;
    case '/many': {
      const many = {':status': 200};
      for (let number = 0; number < 400; number += 1) many[`x-${number}`] = 'y';
      stream.respond(many);
      stream.end('x');
      break;
    }
    default: stream.respond({':status': 200}); stream.end('good');
  }
}

server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
