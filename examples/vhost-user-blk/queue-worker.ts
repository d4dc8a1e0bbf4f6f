/** The thread that serves the virtqueues. */
import { parentPort, workerData } from 'node:worker_threads'
import { GuestMemoryAtomic } from '../../index.js'
import { BlkRequests, isExpected } from './blk-requests.js'
import { Counters } from './counters.js'
import { DirtyLog, DirtyLogError } from './dirty-log.js'
import { InflightError, InflightRegion } from './inflight.js'
import { LineLimit } from './line-limit.js'
import { isLost } from './lost-memory.js'
import { ServedQueue } from './served-queue.js'
import type { Command, FromWorker, QueueWorkerData } from './worker-commands.js'

if (parentPort === null) throw new Error('this is the module of a worker thread')
const port = parentPort
const { memory: ticket, disk, counters } = workerData as QueueWorkerData
const memory = GuestMemoryAtomic.fromShared(ticket)
const queues = new Map<number, ServedQueue>()
const dirty = new DirtyLog()
let inflight: InflightRegion | null = null
/** Records that queues may still write to which run. */
const outdated: InflightRegion[] = []
let running = 0

/** Gives records back that are not used any more. */
function tidy(): void {
  if (running === 0) for (const region of outdated.splice(0)) region.release()
}

const post = (message: FromWorker): void => port.postMessage(message)
const lost = (why: string): void => post({ lost: why })
const lines = new LineLimit((log, count = 1) => post({ log, count }))

function existing(index: number): ServedQueue {
  const queue = queues.get(index)
  if (queue === undefined) throw new Error(`queue ${index} is not served`)
  return queue
}

async function obey(command: Command): Promise<number> {
  switch (command.do) {
    case 'track': {
      const next = new InflightRegion(command.fd, command.description)
      if (inflight !== null) outdated.push(inflight)
      inflight = next
      tidy()
      return 0
    }
    case 'start': {
      const log = (line: string): void => lines.write(`queue ${command.queue}: ${line}`)
      const requests = new BlkRequests(disk, new Counters(counters), log)
      const tracked = inflight?.queue(command.queue, command.start.layout.size) ?? null
      queues.set(command.queue, new ServedQueue(memory, requests, command.start, tracked, dirty, { log, lost }))
      running += 1
      return 0
    }
    case 'descriptor':
      existing(command.queue).setDescriptor(command.what, command.fd)
      return 0
    case 'enable':
      existing(command.queue).enable(command.enabled)
      return 0
    case 'log':
      dirty.use(command.fd, command.description)
      return 0
    case 'log-writes':
      dirty.isWanted = command.isWanted
      return 0
    case 'log-used':
      existing(command.queue).logUsed(command.at)
      return 0
    case 'stop': {
      const queue = existing(command.queue)
      queues.delete(command.queue)
      const nextAvail = await queue.stop()
      running -= 1
      tidy()
      return nextAvail
    }
    case 'end':
      await Promise.all([...queues.values()].map((queue) => queue.stop()))
      lines.flush()
      port.close()
      return 0
  }
}

port.on('message', (command: Command) => {
  obey(command).then(
    (answer) => post({ answer }),
    (error: unknown) => {
      if (!isExpected(error) && !(error instanceof InflightError || error instanceof DirtyLogError)) throw error
      if (isLost(error)) lost(error.message)
      post({ refused: error.message })
    },
  )
})
