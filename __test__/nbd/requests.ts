// What the server answers to each kind of request: the table that its README shows, with the places where answers change.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { CMD, FLAG, type Request } from './client.js'

export const SIZE = 64 * 2 ** 20
/** The most that can be read or written at once. */
export const PAYLOAD_MAX = 32 * 2 ** 20
/** NBD_EINVAL, NBD_ENOSPC */
const [EINVAL, ENOSPC] = [22, 28]

const ALL_FLAGS = Array.from({ length: 16 }, (_, bit) => 2 ** bit)

/** Places and their ends, and whether all of it is there. */
const places: readonly (readonly [offset: number | bigint, length: number, isInside: boolean])[] = [
  [0, 1, true],
  [0, 512, true],
  [1, 4097, true],
  [SIZE - 1, 1, true],
  [8 * 2 ** 20 - 100, 200, true],
  [SIZE - PAYLOAD_MAX, PAYLOAD_MAX, true],
  [0, 0, true],
  [SIZE, 0, true],
  [SIZE, 1, false],
  [SIZE - 1, 2, false],
  [SIZE - 512, 1024, false],
  [SIZE + 1, 0, false],
  [2n ** 32n, 512, false],
  [2n ** 53n, 512, false],
  [2n ** 63n, 0, false],
  [2n ** 64n - 1n, 0, false],
  [2n ** 64n - 1n, 1, false],
  [2n ** 64n - 512n, 512, false],
  [2n ** 64n - 512n, 1024, false],
]

const TRANSFERS = [
  { type: CMD.READ, pastEnd: EINVAL },
  { type: CMD.WRITE, pastEnd: ENOSPC },
  { type: CMD.TRIM, pastEnd: EINVAL },
  { type: CMD.WRITE_ZEROES, pastEnd: ENOSPC },
] as const

const NAMES = new Map<number, string>(Object.entries(CMD).map(([name, type]) => [type, name]))
const KNOWN: readonly number[] = [CMD.READ, CMD.WRITE, CMD.FLUSH, CMD.TRIM, CMD.WRITE_ZEROES]
const UNKNOWN = [CMD.CACHE, CMD.BLOCK_STATUS, 8, 9, 99, 255, 256, 0x8000, 0xffff]

function isApplicable(type: number, flag: number): boolean {
  return flag === FLAG.FUA || (flag === FLAG.NO_HOLE && type === CMD.WRITE_ZEROES)
}

/** A request, and its error, 0 for none. */
export const answers: readonly (readonly [request: Request, error: number])[] = [
  ...TRANSFERS.flatMap(({ type, pastEnd }) =>
    places.map(([offset, length, isInside]) => [{ type, offset, length }, isInside ? 0 : pastEnd] as const),
  ),
  // Above the limit, if all of it is there or not; without data there is no limit.
  ...[PAYLOAD_MAX + 1, SIZE, SIZE + 1].flatMap((length) => [
    [{ type: CMD.READ, length }, EINVAL] as const,
    [{ type: CMD.WRITE, length }, EINVAL] as const,
  ]),
  [{ type: CMD.READ, length: 2 ** 32 - 1 }, EINVAL],
  [{ type: CMD.TRIM, length: SIZE }, 0],
  [{ type: CMD.TRIM, length: SIZE + 1 }, EINVAL],
  [{ type: CMD.TRIM, length: 2 ** 32 - 1 }, EINVAL],
  [{ type: CMD.WRITE_ZEROES, length: SIZE }, 0],
  [{ type: CMD.WRITE_ZEROES, flags: FLAG.NO_HOLE, length: SIZE }, 0],
  [{ type: CMD.WRITE_ZEROES, length: SIZE + 1 }, ENOSPC],
  [{ type: CMD.WRITE_ZEROES, flags: FLAG.NO_HOLE, length: 2 ** 32 - 1 }, ENOSPC],
  // Of a flush, both are reserved.
  [{ type: CMD.FLUSH }, 0],
  [{ type: CMD.FLUSH, length: 512 }, EINVAL],
  [{ type: CMD.FLUSH, offset: 512 }, EINVAL],
  [{ type: CMD.FLUSH, offset: 2n ** 64n - 1n }, EINVAL],
  ...KNOWN.flatMap((type) =>
    ALL_FLAGS.map((flags) => {
      const length = type === CMD.FLUSH ? 0 : 4096
      return [{ type, flags, length }, isApplicable(type, flags) ? 0 : EINVAL] as const
    }),
  ),
  [{ type: CMD.WRITE_ZEROES, flags: FLAG.FUA | FLAG.NO_HOLE, length: 4096 }, 0],
  [{ type: CMD.WRITE_ZEROES, flags: FLAG.FUA | FLAG.FAST_ZERO, length: 4096 }, EINVAL],
  ...UNKNOWN.flatMap((type) => [0, 512, SIZE].map((length) => [{ type, length }, EINVAL] as const)),
]

export function describe({ type, flags = 0, offset = 0, length = 0 }: Request): string {
  return `${NAMES.get(type) ?? type}, flags ${flags}, ${length} bytes at ${offset}`
}
