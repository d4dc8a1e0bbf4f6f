/**
 * Guest memory as a network block device, with its regions mapped anew under whoever reads and writes.
 *
 *     npm run nbd -- /tmp/nbd.sock
 *     qemu-io -f raw nbd:unix:/tmp/nbd.sock -c 'write -P 0x5a 1M 64k' -c 'read -P 0x5a 1M 64k'
 */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { FileOffset, GuestMemoryAtomic, GuestMemoryMmap, GuestRegionMmap, memfdCreate } from '../../index.js'
import * as nbd from './protocol.js'

const [REGIONS, REGION_SIZE] = [8, 8 * 2 ** 20]
const SIZE = REGIONS * REGION_SIZE
const SWAP_EVERY = 5

/** A part of a memfd for each region: mapped anew, it has the same bytes, at another place in this process. */
const fd = memfdCreate('ram', SIZE)
const files = Array.from({ length: REGIONS }, (_, index) => new FileOffset(fd, index * REGION_SIZE))
const mapRegion = (index: number): GuestRegionMmap =>
  GuestRegionMmap.fromRange(index * REGION_SIZE, REGION_SIZE, files[index])
const atomic = new GuestMemoryAtomic(GuestMemoryMmap.fromRegions(files.map((_, index) => mapRegion(index))))

/** Unplugs a region and plugs it in again. Readers do not wait: they see the old map, or the new one. */
function swapRegion(index: number): void {
  const region = mapRegion(index)
  atomic.update((map) => map.removeRegion(region.startAddr, REGION_SIZE)[0].insertRegion(region))
}

async function serve(socket: Socket): Promise<void> {
  const read = nbd.bytesOf(socket)
  await nbd.negotiate(read, socket, SIZE)
  for (;;) {
    const { type, handle, offset, length } = nbd.decodeRequest(await read(nbd.REQUEST_SIZE))
    if (![nbd.CMD_READ, nbd.CMD_WRITE, nbd.CMD_FLUSH].includes(type)) return
    const data = type === nbd.CMD_WRITE ? await read(length) : Buffer.alloc(0)
    // One snapshot for the whole request.
    using memory = atomic.memory()
    const isValid = length === 0 || (type !== nbd.CMD_FLUSH && memory.checkRange(offset, length))
    if (isValid) memory.writeSlice(data, offset)
    socket.write(nbd.encodeReply(handle, isValid ? 0 : nbd.EINVAL))
    if (!isValid || type !== nbd.CMD_READ || length === 0) continue
    // Zero-copy: the socket sends from the memory itself, and the views keep it mapped until that is done.
    const written = memory.views(offset, length).map((view) => socket.write(view))
    if (written.includes(false)) await once(socket, 'drain')
  }
}

const [path, ...others] = process.argv.slice(2)
if (path === undefined || others.length > 0 || path.startsWith('-')) {
  console.log(`Usage: nbd <socket>\n\nServes ${SIZE >> 20} MiB of guest memory as a network block device.`)
  process.exit(path === '--help' ? 0 : 2)
}
let swaps = 0
setInterval(() => swapRegion(swaps++ % REGIONS), SWAP_EVERY)
const server = createServer((socket) => {
  socket.on('error', ({ message }) => console.error(`nbd: ${message}`))
  const end = (): unknown => socket.destroy()
  serve(socket).then(end, end)
})
server.on('error', ({ message }) => {
  console.error(`nbd: ${message}`)
  process.exit(1)
})
server.listen(path, () => console.log(`serving ${SIZE >> 20} MiB of guest memory at nbd+unix:///?socket=${path}`))
const end = (): void => {
  console.log(`regions were mapped anew ${swaps} times`)
  server.close() // and removes the socket
  process.exit()
}
process.once('SIGINT', end).once('SIGTERM', end)
