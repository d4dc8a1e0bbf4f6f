import type { GuestMemoryMmap } from '../../index.js'
import { checkSegment, guestEntry, loadSegment, placeImage, soilBss } from './elf-loader.js'
import type { ElfImage } from './elf.js'
import type { Progress } from './progress.js'
import { hex, type Result } from './report.js'

/** Loads an ELF file at `base`, tells what goes where, and checks it. */
export function runElfStage(memory: GuestMemoryMmap, image: ElfImage, base: number, progress: Progress): Result {
  const segments = placeImage(image, base)
  for (const { index, flags, address, guestAddress, memorySize } of segments) {
    const where = `${hex(guestAddress)}-${hex(guestAddress + Number(memorySize) - 1)}`
    console.log(`  segment ${index} ${flags}  ${hex(address).padStart(18)} -> ${where}`)
  }
  const entry = guestEntry(image, segments)
  const target = entry === null ? 'in no segment' : hex(entry)
  console.log(`  entry point    ${hex(image.entry).padStart(18)} -> ${target}`)

  const fileBytes = segments.reduce((sum, { fileSize }) => sum + fileSize, 0)
  const bssBytes = segments.reduce((sum, { bssSize }) => sum + bssSize, 0)
  const advance = (bytes: number): void => progress.advance(bytes)
  for (const segment of segments) soilBss(memory, segment)
  progress.begin('load the ELF file', fileBytes + bssBytes)
  const begun = performance.now()
  for (const segment of segments) loadSegment(memory, image, segment, advance)
  const milliseconds = performance.now() - begun
  progress.end()
  progress.begin('check the ELF file', fileBytes + bssBytes)
  const checks = segments.map((segment) => checkSegment(memory, image, segment, advance))
  progress.end()
  return {
    checks,
    problems: [],
    work: [{ name: 'ELF segments loaded', count: segments.length, bytes: fileBytes + bssBytes, milliseconds }],
  }
}
