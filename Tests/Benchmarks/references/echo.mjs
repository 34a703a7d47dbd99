// What one writes in an afternoon with Node: split lines, parse, answer in JSON-RPC.  node echo.mjs SOCKET
import { createServer } from 'node:net'

createServer((socket) => {
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('error', () => {})
  socket.on('data', (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    let answer = ''
    for (const line of lines) {
      const { id } = JSON.parse(line)
      answer += JSON.stringify({ jsonrpc: '2.0', id, result: {} }) + '\n'
    }
    if (answer) socket.write(answer)
  })
}).listen(process.argv[2])
