import { pageSize, type GuestMemoryMmap } from '../../index.js'
import { hex } from '../machine/report.js'
import { UsageError } from '../machine/usage-error.js'
import type { Order } from './command-line.js'
import { openMemoryFile, sizeOf } from './memory-file.js'
import { picture } from './picture.js'
import { isZero, PIECE, piecesOf, Ranges, totalOf, type Range } from './ranges.js'
import { countOf, sizeText } from './text.js'
import type { Watch } from './watch.js'

type Overlay = readonly [addr: bigint, count: number, inA: boolean, inB: boolean]

const endOf = ([addr, count]: Range): bigint => addr + BigInt(count)

/** Tells where either has data, and which of them: what both leave out is zeros in both. */
export function* overlay(a: readonly Range[], b: readonly Range[]): Generator<Overlay> {
  let [indexA, indexB, at] = [0, 0, 0n]
  for (;;) {
    const [rangeA, rangeB] = [a[indexA], b[indexB]]
    if (rangeA === undefined && rangeB === undefined) return
    const starts = [rangeA, rangeB].map((range) => (range === undefined || range[0] > at ? range?.[0] : at))
    const [startA, startB] = starts
    const start = startA !== undefined && (startB === undefined || startA <= startB) ? startA : (startB ?? 0n)
    const [inA, inB] = [startA === start, startB === start]
    // Up to where either ends, or the other one begins.
    const ends = [inA ? rangeA && endOf(rangeA) : startA, inB ? rangeB && endOf(rangeB) : startB]
    at = ends.reduce<bigint>((end, each) => (each !== undefined && each < end ? each : end), 2n ** 65n)
    yield [start, Number(at - start), inA, inB]
    if (rangeA !== undefined && endOf(rangeA) <= at) indexA += 1
    if (rangeB !== undefined && endOf(rangeB) <= at) indexB += 1
  }
}

function checkSameRegions(a: GuestMemoryMmap, b: GuestMemoryMmap): void {
  const describe = (memory: GuestMemoryMmap): string =>
    [...memory].map(({ startAddr, size }) => `${hex(startAddr)}:${size}`).join(' ')
  const [regionsA, regionsB] = [describe(a), describe(b)]
  if (regionsA !== regionsB) throw new UsageError(`the regions are not the same: ${regionsA} and ${regionsB}`)
}

/** Finds the pages that are not the same in both, without a look at the holes that both have. */
export async function differences(a: GuestMemoryMmap, b: GuestMemoryMmap, watch: Watch): Promise<readonly Range[]> {
  const found = new Ranges()
  const [bytesA, bytesB] = [Buffer.alloc(PIECE), Buffer.alloc(PIECE)]
  const parts = [...overlay(a.dataRanges(), b.dataRanges())]
  for await (const { addr, count, of } of piecesOf(parts, watch, 'compare')) {
    const [, , inA, inB] = of
    if (inA) a.readSlice(bytesA.subarray(0, count), addr)
    if (inB) b.readSlice(bytesB.subarray(0, count), addr)
    if (inA && inB && bytesA.compare(bytesB, 0, count, 0, count) === 0) continue
    for (let at = 0; at < count; at += pageSize()) {
      const end = Math.min(count, at + pageSize())
      const [pageA, pageB] = [bytesA.subarray(at, end), bytesB.subarray(at, end)]
      const isSame = inA && inB ? pageA.equals(pageB) : isZero(inA ? pageA : pageB)
      if (!isSame) found.add(addr + BigInt(at), end - at)
    }
  }
  return found.all
}

/** Shows where two files differ, and tells whether they do. */
export async function diff(
  { a, b, options }: Extract<Order, { readonly name: 'diff' }>,
  watch: Watch,
): Promise<boolean> {
  const [fileA, fileB] = [openMemoryFile(a, options), openMemoryFile(b, options)]
  checkSameRegions(fileA.memory, fileB.memory)
  const ranges = await differences(fileA.memory, fileB.memory, watch)
  const size = totalOf(ranges)
  const pages = ranges.reduce((sum, [, count]) => sum + Math.ceil(count / pageSize()), 0)
  if (options.json) {
    console.log(
      JSON.stringify({ pageSize: pageSize(), pages, size, ranges: ranges.map(([addr, count]) => [hex(addr), count]) }),
    )
  } else if (ranges.length === 0) {
    console.log(`all ${sizeText(sizeOf(fileA.memory))} are the same`)
  } else {
    for (const [addr, count] of ranges) console.log(`${hex(addr)}-${hex(addr + BigInt(count) - 1n)} ${sizeText(count)}`)
    console.log()
    for (const line of picture(fileA.memory, ranges, process.stdout.columns)) console.log(line)
    console.log(
      `${countOf(pages, 'page')} of ${sizeText(sizeOf(fileA.memory))} differ: ${sizeText(size)} in ${countOf(ranges.length, 'range')}`,
    )
  }
  return ranges.length > 0
}
