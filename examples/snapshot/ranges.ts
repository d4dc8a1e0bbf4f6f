/** Ranges of guest addresses, and walks through the memory that is in them. */
import { pageSize } from '../../index.js'
import type { Watch } from './watch.js'

export type Range = readonly [addr: bigint, count: number]

/** How much is read at a time: between two pieces, an interruption is noticed. */
export const PIECE = 2 ** 20

const ZEROS = Buffer.alloc(pageSize())

/** Tells whether a page, or what there is of one, is zeros. */
export const isZero = (page: Buffer): boolean => page.equals(ZEROS.subarray(0, page.length))

export const totalOf = (ranges: readonly Range[]): number => ranges.reduce((sum, [, count]) => sum + count, 0)

/** Splits ranges into pieces, and lets the event loop turn between them. */
export async function* piecesOf<R extends readonly [addr: bigint, count: number, ...unknown[]]>(
  ranges: readonly R[],
  watch: Watch,
  stage: string,
): AsyncGenerator<{ addr: bigint; count: number; of: R }> {
  const report = watch.stage(stage)
  const total = ranges.reduce((sum, [, count]) => sum + count, 0)
  let done = 0
  for (const range of ranges) {
    const [addr, count] = range
    for (let at = 0; at < count; at += PIECE) {
      const length = Math.min(PIECE, count - at)
      yield { addr: addr + BigInt(at), count: length, of: range }
      done += length
      report(done, total)
      await watch.turn()
    }
  }
}

/** Ranges that come by address; those that touch are joined. */
export class Ranges {
  readonly #ranges: [addr: bigint, count: number][] = []

  add(addr: bigint, count: number): void {
    const last = this.#ranges.at(-1)
    if (last !== undefined && last[0] + BigInt(last[1]) === addr) last[1] += count
    else this.#ranges.push([addr, count])
  }

  get all(): readonly Range[] {
    return this.#ranges
  }
}
