import { pageSize, type GuestMemoryMmap, type GuestRegionMmap } from '../../index.js'
import { hex } from '../machine/report.js'
import type { Range } from './ranges.js'
import { sizeText } from './text.js'

/** How much of a piece of address space there is: nothing, up to a third, two thirds, less than all, all. */
const SHADES = ['·', '░', '▒', '▓', '█'] as const
/** Lines of a picture at the most, unless there are more regions than that. */
const LINES = 24
/** Pieces in a line: of a power of two, so that lines begin at round addresses. */
const WIDTHS = [64, 32, 16] as const

function shadeOf(part: number, whole: number): string {
  if (part === 0) return SHADES[0]
  return part === whole ? SHADES[4] : (SHADES[1 + Math.floor((3 * part) / whole)] ?? SHADES[3])
}

/** How much of each piece of a region there is, in bytes. */
function fill({ startAddr, size }: GuestRegionMmap, ranges: readonly Range[], piece: number): Float64Array {
  const pieces = new Float64Array(Math.ceil(size / piece))
  for (const [addr, count] of ranges) {
    const end = Number(addr - startAddr) + count
    for (let at = Number(addr - startAddr); at < end;) {
      const index = Math.floor(at / piece)
      const next = Math.min(end, (index + 1) * piece)
      pieces[index] = (pieces[index] ?? 0) + next - at
      at = next
    }
  }
  return pieces
}

/**
 * Draws where in the address space of a machine there is something, a line for a piece of it:
 *
 *     0x00000000 ██▓░····················
 *                no memory: 1 GiB
 *     0x80000000 ▒·······················
 */
export function picture(memory: GuestMemoryMmap, ranges: readonly Range[], columns = Infinity): string[] {
  const regions = [...memory]
  const labelWidth = hex(memory.lastAddr).length
  const width = WIDTHS.find((each) => labelWidth + 1 + each <= columns) ?? WIDTHS[2]
  let piece = pageSize()
  const linesOf = ({ size }: GuestRegionMmap): number => Math.ceil(size / piece / width)
  while (regions.reduce((sum, region) => sum + linesOf(region), 0) > Math.max(LINES, regions.length)) piece *= 2

  const lines: string[] = []
  let end = 0n
  for (const region of regions) {
    const { startAddr, size } = region
    if (startAddr > end) lines.push(`${' '.repeat(labelWidth)} no memory: ${sizeText(Number(startAddr - end))}`)
    end = startAddr + BigInt(size)
    const within = ranges.filter(([addr]) => startAddr <= addr && addr < end)
    const shades = Array.from(fill(region, within, piece), (part, index) =>
      shadeOf(part, Math.min(piece, size - index * piece)),
    )
    for (let at = 0; at < shades.length; at += width) {
      const label = `0x${(startAddr + BigInt(at * piece)).toString(16).padStart(labelWidth - 2, '0')}`
      lines.push(`${label} ${shades.slice(at, at + width).join('')}`)
    }
  }
  lines.push(
    `a character is ${sizeText(piece)}: ${SHADES[0]} nothing, ${SHADES.slice(1, 4).join(' ')} a part, ${SHADES[4]} all`,
  )
  return lines
}
