/** A thread of the machine that moves: it writes to memory through views, as devices do, until it is told to stop. */
import { parentPort, workerData } from 'node:worker_threads'
import { GuestMemoryMmap, pageSize, type SharedMemory } from '../../index.js'
import { SeededRandom } from '../machine/seeded-random.js'

export interface WriterData {
  readonly memory: SharedMemory<'GuestMemoryMmap'>
  readonly seed: number
  /** What it writes to, in pages, from the start of each region. */
  readonly hotPages: number
  /** Pages each millisecond. */
  readonly rate: number
}

const { memory: ticket, seed, hotPages, rate } = workerData as WriterData
const memory = GuestMemoryMmap.fromShared(ticket)
const views = [...memory].map((region) => region.asUint8Array())
const random = new SeededRandom(seed)
const page = pageSize()

const timer = setInterval(() => {
  for (let count = 0; count < rate; count += 1) {
    const view = views[random.below(views.length)] as Uint8Array
    view.set(random.bytes(64), page * random.below(hotPages) + 64 * random.below(page / 64))
  }
}, 1)

parentPort?.postMessage('writing')
parentPort?.once('message', () => {
  clearInterval(timer)
  parentPort?.postMessage('stopped')
})
