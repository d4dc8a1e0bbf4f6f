import { pageSize, type GuestMemoryMmap } from '../../index.js'
import { hex, table } from '../machine/report.js'
import type { Order } from './command-line.js'
import { openMemoryFile, sizeOf } from './memory-file.js'
import { picture } from './picture.js'
import { isZero, PIECE, piecesOf, Ranges, totalOf, type Range } from './ranges.js'
import { countOf, sizeText } from './text.js'
import type { Watch } from './watch.js'

/** How often a text is looked for: who wants more asks for a longer one. */
const FOUND_MAX = 100
/** Bytes of a text that are shown. */
const SHOWN_MAX = 200

interface Found {
  readonly addr: bigint
  /** What is there, up to the first byte that is no printable character of ASCII. */
  readonly text: string
}

interface Contents {
  /** Where there is something else than zeros, in whole pages. */
  readonly ranges: readonly Range[]
  readonly found: readonly Found[]
}

function textAt(memory: GuestMemoryMmap, addr: bigint, atLeast: number): string {
  const bytes = Buffer.alloc(Math.max(SHOWN_MAX, atLeast))
  const there = bytes.subarray(0, memory.read(bytes, addr))
  const end = there.findIndex((byte, index) => index >= atLeast && (byte < 0x20 || byte > 0x7e))
  return there.toString('utf8', 0, end < 0 ? there.length : end)
}

/** Reads all data: looks for zeros, and for a text. */
export async function read(memory: GuestMemoryMmap, find: string | undefined, watch: Watch): Promise<Contents> {
  const ranges = new Ranges()
  const found: Found[] = []
  const wanted = Buffer.from(find ?? '')
  // A text may go on in the next piece, or begin in the last bytes of this one.
  const bytes = Buffer.alloc(PIECE + Math.max(0, wanted.length - 1))
  for await (const { addr, count } of piecesOf(memory.dataRanges(), watch, 'read')) {
    const length = memory.read(bytes.subarray(0, count + Math.max(0, wanted.length - 1)), addr)
    for (let at = 0; at < count; at += pageSize()) {
      const end = Math.min(count, at + pageSize())
      if (!isZero(bytes.subarray(at, end))) ranges.add(addr + BigInt(at), end - at)
    }
    if (wanted.length === 0) continue
    const searched = bytes.subarray(0, length)
    let at = searched.indexOf(wanted)
    for (; 0 <= at && at < count && found.length <= FOUND_MAX; at = searched.indexOf(wanted, at + 1)) {
      found.push({ addr: addr + BigInt(at), text: textAt(memory, addr + BigInt(at), wanted.length) })
    }
  }
  return { ranges: ranges.all, found }
}

/** Shows the regions of a file, where there is data, and where a text is. */
export async function inspect(
  { file, options }: Extract<Order, { readonly name: 'inspect' }>,
  watch: Watch,
): Promise<void> {
  const { memory } = openMemoryFile(file, options)
  const { ranges, found } = await read(memory, options.find, watch)
  const regions = [...memory].map((region) => {
    const { startAddr, size } = region
    const end = startAddr + BigInt(size)
    const data = region.dataRanges()
    const stored = data.reduce((sum, [, count]) => sum + count, 0)
    const content = ranges.filter(([addr]) => startAddr <= addr && addr < end)
    return { startAddr, size, data, stored, content: totalOf(content) }
  })
  const shown = found.slice(0, FOUND_MAX)
  if (options.json) {
    const told = regions.map(({ startAddr, size, stored, content, data }) => ({
      start: hex(startAddr),
      size,
      data: stored,
      zeros: stored - content,
      ranges: data.map(([offset, count]) => [hex(startAddr + BigInt(offset)), count]),
    }))
    const texts = shown.map(({ addr, text }) => ({ addr: hex(addr), text }))
    console.log(
      JSON.stringify({
        pageSize: pageSize(),
        size: sizeOf(memory),
        regions: told,
        ...(options.find && { found: texts }),
      }),
    )
    return
  }
  const rows = regions.map(({ startAddr, size, data, stored, content }) => [
    `${hex(startAddr)}-${hex(startAddr + BigInt(size) - 1n)}`,
    sizeText(size),
    sizeText(stored),
    String(data.length),
    sizeText(stored - content),
  ])
  console.log(
    table(
      ['region', 'size', 'in the file', 'ranges', 'of it zeros'],
      ['left', 'right', 'right', 'right', 'right'],
      rows,
    ),
  )
  for (const line of picture(memory, ranges, process.stdout.columns)) console.log(line)
  if (options.find === undefined) return
  for (const { addr, text } of shown) console.log(`${hex(addr)} ${text}`)
  const more = found.length > FOUND_MAX ? `; the first ${FOUND_MAX} are shown` : ''
  console.log(found.length === 0 ? `no ${JSON.stringify(options.find)}` : `${countOf(shown.length, 'place')}${more}`)
}
