import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { GuestMemoryMmap } from '../../index.js'
import { guestEntry, loadSegment, placeImage } from '../machine/elf-loader.js'
import { readElf, type ElfImage } from '../machine/elf.js'
import { openInputFile } from '../machine/input-file.js'
import { UsageError } from '../machine/usage-error.js'
import { PROGRAM } from './machine-layout.js'

/** No operating system, no library, no red zone below the stack, no registers but the general ones. */
const FLAGS = [
  '-std=gnu11 -O2 -Wall -Wextra -Werror -ffreestanding -fno-strict-aliasing -fno-pic -fno-pie -fno-stack-protector',
  '-mno-red-zone -mgeneral-regs-only -fcf-protection=none -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns',
  '-nostdlib -static -no-pie -Wl,-e,start -Wl,--build-id=none -Wl,-z,noexecstack',
  `-Wl,-Ttext-segment=0x${PROGRAM.toString(16)}`,
].flatMap((line) => line.split(' '))

/** Compiles one of the programs in guest/ into `folder`. Throws `UsageError` where there is no compiler. */
export function compileProgram(name: 'work' | 'hostile', folder: string): ElfImage {
  const source = fileURLToPath(new URL(`guest/${name}.c`, import.meta.url))
  const output = join(folder, `${name}.elf`)
  const { error, status, stderr } = spawnSync('cc', [...FLAGS, '-o', output, source], { encoding: 'utf8' })
  if (error !== undefined) throw new UsageError(`the program for the machine needs a C compiler: cc: ${error.message}`)
  if (status !== 0) throw new UsageError(`cc cannot compile ${source}:\n${stderr}`)
  return readElf(openInputFile(output, 'r'))
}

/** Loads a program, and returns where it begins. */
export function loadProgram(memory: GuestMemoryMmap, image: ElfImage): number {
  const segments = placeImage(image, PROGRAM)
  for (const segment of segments) loadSegment(memory, image, segment, () => {})
  const entry = guestEntry(image, segments)
  if (entry === null) throw new Error(`${image.file.path}: has no entry`)
  return entry
}
