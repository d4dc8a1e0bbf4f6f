/** The process that the machine moves to: `node destination.ts <socket> <size>`. */
import { once } from 'node:events'
import net from 'node:net'
import { digest, makeMemory } from './machine-memory.js'
import { receive } from './stream.js'

const [path = '', size = ''] = process.argv.slice(2)
const memory = makeMemory(Number(size))
const server = net.createServer({ pauseOnConnect: true }).listen(path)
await once(server, 'listening')
process.send?.('listening')
const [socket] = (await once(server, 'connection')) as [net.Socket]
server.close()
await receive(socket, memory)
// The machine could go on from here.
socket.write(Buffer.of(1))
socket.end(digest(memory))
process.disconnect?.()
