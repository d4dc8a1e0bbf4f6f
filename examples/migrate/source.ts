/**
 * Pre-copy: the machine runs on while its memory is sent. What was written meanwhile is sent again, and again, until so little is left
 * that the machine can be stopped for it.
 *
 *     track ─► send all ─► harvest ─► send ─► harvest ─► send ─► … ─► stop the machine ─► harvest ─► send ─► the other side goes on
 *              └─────────── the machine runs ──────────────────┘      └────────── downtime ─────────┘
 */
import type { Socket } from 'node:net'
import { pageSize, type GuestMemoryMmap, type WriteTracker } from '../../index.js'
import { digest } from './machine-memory.js'
import { sendEnd, sendRanges, type Range } from './stream.js'

/** What a round has sent. */
export interface Round {
  readonly pages: number
  readonly milliseconds: number
}

export interface Migration {
  readonly rounds: readonly Round[]
  /** How long the machine did not run, in milliseconds. */
  readonly downtime: number
  readonly isEqual: boolean
}

export interface MigrationOptions {
  /** The machine is stopped when no more pages than this are left. */
  readonly stopBelow: number
  /** Or after so many rounds, whatever is left: a machine may write faster than the socket is. */
  readonly maxRounds: number
  /** Stops the machine: nothing is written any more when this resolves. */
  readonly stop: () => Promise<void>
  /** `round` counts from 1. */
  readonly onProgress: (round: number, sentPages: number, leftPages: number) => void
}

export const pagesIn = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, [, count]) => sum + count, 0) / pageSize()

/** Moves memory that others write to. What `tracker` tells is what was written. */
export async function migrate(
  socket: Socket,
  memory: GuestMemoryMmap,
  tracker: Pick<WriteTracker, 'harvest'>,
  { stopBelow, maxRounds, stop, onProgress }: MigrationOptions,
): Promise<Migration> {
  const rounds: Round[] = []
  const sendRound = async (ranges: readonly Range[]): Promise<void> => {
    const begin = performance.now()
    const pages = pagesIn(ranges)
    let sent = 0
    await sendRanges(socket, memory, ranges, (bytes) => {
      sent += bytes / pageSize()
      onProgress(rounds.length + 1, sent, pages - sent)
    })
    rounds.push({ pages, milliseconds: performance.now() - begin })
  }

  // What was never written is zero on the other side, too.
  let ranges: readonly Range[] = memory.dataRanges()
  do {
    await sendRound(ranges)
    ranges = tracker.harvest()
  } while (pagesIn(ranges) > stopBelow && rounds.length < maxRounds)

  const stopped = performance.now()
  await stop()
  // Of the harvest before, and of what was written until now. A page of both is sent twice: the second time as it is at last.
  await sendRound([...ranges, ...tracker.harvest()])
  const there = await sendEnd(socket)
  const downtime = performance.now() - stopped
  const isEqual = digest(memory).equals(await there.digest())
  return { rounds, downtime, isEqual }
}
