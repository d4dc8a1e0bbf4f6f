/**
 * Guest memory as a network block device: what is written to the device is in the memory, while its regions are swapped
 * under it. A complete program in one file, to begin with.
 *
 *     npm run nbd -- /tmp/nbd.sock
 *     qemu-io -f raw nbd:unix:/tmp/nbd.sock -c 'write -P 0x5a 1M 64k' -c 'read -P 0x5a 1M 64k'
 */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { FileOffset, GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, memfdCreate } from '../../index.js'

// The NBD protocol: all numbers are big-endian.
const NBDMAGIC = 0x4e42444d41474943n
const IHAVEOPT = 0x49484156454f5054n
const REPLY_MAGIC = 0x3e889045565a9n
const REQUEST_MAGIC = 0x25609513
const SIMPLE_REPLY_MAGIC = 0x67446698
const FLAG_FIXED_NEWSTYLE = 1
const FLAG_NO_ZEROES = 2
const OPT_EXPORT_NAME = 1
const OPT_ABORT = 2
const OPT_GO = 7
const REP_ACK = 1
const REP_INFO = 3
const REP_ERR_UNSUP = 0x80000001
const FLAG_HAS_FLAGS = 1
const FLAG_SEND_FLUSH = 4
const CMD_READ = 0
const CMD_WRITE = 1
const CMD_DISC = 2
const CMD_FLUSH = 3
const EINVAL = 22
/** The most that clients may ask for at once. */
const LENGTH_MAX = 32 * 2 ** 20

const REGIONS = 8
const REGION_SIZE = 8 * 2 ** 20
const SIZE = REGIONS * REGION_SIZE

/** 8 regions, each on a memfd: a region that is mapped anew has the same bytes, at another place in this process. */
const fds = Array.from({ length: REGIONS }, (_, index) => memfdCreate(`ram${index}`, REGION_SIZE))
const mapRegion = (index: number): GuestRegionMmap =>
  GuestRegionMmap.fromRange(index * REGION_SIZE, REGION_SIZE, new FileOffset(fds[index] as number, 0))
const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRegions(fds.map((_, index) => mapRegion(index))))

/** Unplugs one region and plugs it in again, in one step: whoever reads meanwhile has the old map until it is done. */
function swapRegion(index: number): void {
  atomic.update((map) => map.removeRegion(index * REGION_SIZE, REGION_SIZE)[0].insertRegion(mapRegion(index)))
}

/** Bytes as they are needed, from a stream that has them in pieces of its own. */
async function* readerOf(socket: Socket): AsyncGenerator<Buffer, void, number> {
  let buffered = Buffer.alloc(0)
  let wanted = yield buffered
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk])
    while (buffered.length >= wanted) {
      const bytes = buffered.subarray(0, wanted)
      buffered = buffered.subarray(wanted)
      wanted = yield bytes
    }
  }
}

/** Big-endian fields: [bytes, value]. */
function pack(...fields: readonly (readonly [size: 2 | 4 | 8, value: number | bigint])[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [size]) => sum + size, 0))
  let at = 0
  for (const [size, value] of fields) {
    if (size === 8) bytes.writeBigUInt64BE(BigInt(value), at)
    else bytes.writeUIntBE(Number(value), at, size)
    at += size
  }
  return bytes
}

type Read = (length: number) => Promise<Buffer>

/** The client chooses what it wants, of which there is one; true when that is to be served. */
async function negotiate(read: Read, socket: Socket): Promise<boolean> {
  socket.write(pack([8, NBDMAGIC], [8, IHAVEOPT], [2, FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES]))
  const noZeroes = ((await read(4)).readUInt32BE() & FLAG_NO_ZEROES) !== 0
  for (;;) {
    const head = await read(16)
    if (head.readBigUInt64BE() !== IHAVEOPT || head.readUInt32BE(12) > LENGTH_MAX) return false
    const option = head.readUInt32BE(8)
    await read(head.readUInt32BE(12))
    const reply = (type: number, data = Buffer.alloc(0)): boolean =>
      socket.write(Buffer.concat([pack([8, REPLY_MAGIC], [4, option], [4, type], [4, data.length]), data]))
    if (option === OPT_EXPORT_NAME) {
      socket.write(
        Buffer.concat([pack([8, SIZE], [2, FLAG_HAS_FLAGS | FLAG_SEND_FLUSH]), Buffer.alloc(noZeroes ? 0 : 124)]),
      )
      return true
    }
    if (option === OPT_GO) {
      reply(REP_INFO, pack([2, 0], [8, SIZE], [2, FLAG_HAS_FLAGS | FLAG_SEND_FLUSH]))
      reply(REP_ACK)
      return true
    }
    reply(option === OPT_ABORT ? REP_ACK : REP_ERR_UNSUP)
    if (option === OPT_ABORT) return false
  }
}

async function serve(socket: Socket): Promise<void> {
  const bytes = readerOf(socket)
  await bytes.next(0)
  const read: Read = async (length) => {
    const { value, done } = await bytes.next(length)
    if (done) throw new Error('the client has gone')
    return value
  }
  if (!(await negotiate(read, socket))) return
  for (;;) {
    const request = await read(28)
    const [type, offset, length] = [request.readUInt16BE(6), request.readBigUInt64BE(16), request.readUInt32BE(24)]
    if (request.readUInt32BE() !== REQUEST_MAGIC || length > LENGTH_MAX || type === CMD_DISC) return
    const data = type === CMD_WRITE ? await read(length) : null
    // One snapshot for the request.
    using memory = atomic.memory()
    const known = type === CMD_READ || type === CMD_WRITE || type === CMD_FLUSH
    const valid = known && (length === 0 || memory.checkRange(offset, length))
    if (valid && data !== null) memory.writeSlice(data, offset)
    socket.write(Buffer.concat([pack([4, SIMPLE_REPLY_MAGIC], [4, valid ? 0 : EINVAL]), request.subarray(8, 16)]))
    if (!valid || type !== CMD_READ || length === 0) continue
    // Views are the memory itself, which the socket reads later: they keep it mapped until then.
    const written = memory.views(offset, length).map((view) => socket.write(view))
    if (written.includes(false)) await once(socket, 'drain')
  }
}

const USAGE = `Usage: nbd [--swap-every <ms>] <socket>

Serves ${SIZE >> 20} MiB of guest memory as an NBD export on a UNIX socket, and maps one of its ${REGIONS} regions anew every
<ms> milliseconds (default: 5; 0 for never).`

function parse(): { path: string; every: number } | null {
  const options = { 'swap-every': { type: 'string', default: '5' }, help: { type: 'boolean', short: 'h' } } as const
  try {
    const { positionals, values } = parseArgs({ allowPositionals: true, options })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    const every = Number(values['swap-every'])
    const [path] = positionals
    return path !== undefined && positionals.length === 1 && every >= 0 ? { path, every } : null
  } catch {
    return null
  }
}

const settings = parse()
if (settings === null) {
  console.error(USAGE)
  process.exit(2)
}
const { path, every } = settings
let swaps = 0
const timer = every > 0 ? setInterval(() => swapRegion(swaps++ % REGIONS), every) : undefined
const server = createServer((socket) => {
  const end = (): unknown => socket.destroy()
  serve(socket).then(end, end)
})
server.on('error', ({ message }) => {
  console.error(`nbd: ${message}`)
  process.exit(1)
})
server.listen(path, () => console.log(`serving ${SIZE >> 20} MiB of guest memory at nbd+unix:///?socket=${path}`))
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    console.log(`${swaps} swaps`)
    clearInterval(timer)
    // Removes the socket, too.
    server.close()
    process.exit()
  })
}
