/** Interleaved rounds: everyone's work in turn, again and again, so that what disturbs the machine disturbs all alike. */
import { CONTENDERS, type ContenderId, GROUPS, type Work } from './catalogue.js'
import { ContenderProcess } from './contender-process.js'

export interface Settings {
  readonly rounds: number
  /** How long a sample should take. */
  readonly milliseconds: number
  /** How long code runs at least before it counts. */
  readonly warmUp: number
}

/** Nanoseconds for one operation, of each round. */
export type Samples = readonly number[]

export type Results = Map<string, Map<ContenderId, Samples>>

/** What to measure: the works, and who takes part. */
export interface Plan {
  readonly wants: (work: Work) => boolean
  readonly takesPart: (contender: ContenderId, work: Work) => boolean
}

export type OnProgress = (done: number, all: number, what: string) => void

export function quantile(samples: Samples, fraction: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const place = (sorted.length - 1) * fraction
  const low = Math.floor(place)
  const below = sorted[low]
  const above = sorted[Math.ceil(place)]
  if (below === undefined || above === undefined) throw new Error('no samples')
  return below + (above - below) * (place - low)
}

export function median(samples: Samples): number {
  return quantile(samples, 0.5)
}

/** As many iterations as fill a sample; warms the code up on the way. */
async function calibrate(process: ContenderProcess, work: string, { milliseconds, warmUp }: Settings): Promise<number> {
  const target = milliseconds * 1e6
  let iterations = 1
  let spent = 0
  for (let full = 0; full < 3;) {
    // Optimising compilers work beside the code, and take their time on a busy machine.
    const wanted = full === 1 && spent < warmUp * 1e6 ? Math.ceil((iterations * warmUp) / milliseconds) : iterations
    const { nanoseconds, iterations: done } = await process.run(work, wanted)
    if (done < wanted) return done
    if (nanoseconds >= target / 2) full++
    spent += nanoseconds
    const factor = Math.min(30, target / Math.max(1, nanoseconds))
    iterations = Math.max(1, Math.round(wanted * factor))
  }
  return iterations
}

async function measureWork(
  work: string,
  processes: readonly ContenderProcess[],
  settings: Settings,
): Promise<Map<ContenderId, Samples>> {
  const seats: { process: ContenderProcess; iterations: number; samples: number[] }[] = []
  for (const process of processes) {
    seats.push({ process, iterations: await calibrate(process, work, settings), samples: [] })
  }
  for (let round = 0; round < settings.rounds; round++) {
    // Who comes first changes, too.
    for (let turn = 0; turn < seats.length; turn++) {
      const seat = seats[(turn + round) % seats.length]!
      const { nanoseconds, iterations } = await seat.process.run(work, seat.iterations)
      seat.samples.push(nanoseconds / iterations)
    }
  }
  return new Map(seats.map(({ process, samples }) => [process.id, samples]))
}

export async function measure(plan: Plan, settings: Settings, onProgress: OnProgress = () => {}): Promise<Results> {
  const results: Results = new Map()
  const groups = GROUPS.map((group) => ({ id: group.id, works: group.works.filter(plan.wants) }))
  const all = groups.reduce((sum, { works }) => sum + works.length, 0)
  let done = 0
  for (const group of groups) {
    const { works } = group
    const wanted = CONTENDERS.filter(({ id }) => works.some((work) => plan.takesPart(id, work)))
    const processes = wanted.map(({ id }) => new ContenderProcess(id, group.id))
    try {
      const lists = await Promise.all(
        processes.map(async (process) => ({ process, has: new Set(await process.list()) })),
      )
      for (const work of works) {
        onProgress(done, all, work.title)
        const able = lists.filter(({ process, has }) => has.has(work.id) && plan.takesPart(process.id, work))
        results.set(
          work.id,
          await measureWork(
            work.id,
            able.map(({ process }) => process),
            settings,
          ),
        )
        done++
      }
    } finally {
      for (const process of processes) process.close()
    }
  }
  onProgress(all, all, '')
  return results
}
