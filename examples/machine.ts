/**
 * A machine's memory at work, as VMMs use this package: RAM around a PCI hole and a ROM, an ELF file loaded into it, and
 * a virtio-blk disk served out of it while memory is plugged and unplugged. Then it is saved, restored, and given back in part.
 *
 *     npm start -- [options] [elf] [disk]
 */
import { createHash } from 'node:crypto'
import { fstatSync } from 'node:fs'
import { join } from 'node:path'
import { GuestMemoryAtomic, type GuestMemoryMmap } from '../index.js'
import { parseCommandLine, type Settings } from './machine/command-line.js'
import { digestOfFile, openDisk } from './machine/disk-image.js'
import { runDiskStage } from './machine/disk-stage.js'
import { runElfStage } from './machine/elf-stage.js'
import { readElf } from './machine/elf.js'
import { openInputFile, type InputFile } from './machine/input-file.js'
import { buildMemory, MIB, ROM_BASE, ROM_SIZE, writeRom } from './machine/memory-layout.js'
import { makeProgress } from './machine/progress.js'
import { planRam } from './machine/ram-plan.js'
import { checkTable, isRight, workTable, type Check } from './machine/report.js'
import { runSnapshotStage } from './machine/snapshot-stage.js'
import { makeTemporaryFolder } from './machine/temporary-folder.js'
import { UsageError } from './machine/usage-error.js'

/** Of many problems, the first ones say it all. */
const SHOWN_PROBLEMS = 10

function checkRom(memory: GuestMemoryMmap, path: string): Check {
  const bytes = Buffer.alloc(ROM_SIZE)
  memory.readSlice(bytes, ROM_BASE)
  const guest = createHash('sha256').update(bytes).digest('hex')
  return { name: 'ROM', guest, file: digestOfFile(openInputFile(path, 'r').fd, ROM_SIZE) }
}

function isSameFile(a: InputFile, b: InputFile): boolean {
  const [first, second] = [fstatSync(a.fd, { bigint: true }), fstatSync(b.fd, { bigint: true })]
  return first.dev === second.dev && first.ino === second.ino
}

/** Returns the exit code. */
async function run(settings: Settings): Promise<number> {
  // Everything that can be wrong with the arguments comes first.
  const image = readElf(openInputFile(settings.elf, 'r'))
  const plan = planRam(image, settings.queueSize, settings.memory * MIB)
  const folder = makeTemporaryFolder()
  const disk = openDisk(settings.disk, settings.inPlace, folder)
  if (isSameFile(image.file, disk)) throw new UsageError(`${disk.path}: is the ELF file, and a disk gets written`)
  const rom = join(folder, 'rom.bin')
  writeRom(rom)
  const machine = buildMemory(settings.memory * MIB, rom)
  const memory = new GuestMemoryAtomic(machine.memory)

  const progress = makeProgress()
  console.log('Shows guest memory at work: ELF, disk, hot-plug, snapshot.')
  console.log(`machine  ${settings.memory} MiB of RAM`)
  console.log(`disk     ${disk.description}, ${disk.sectors} sectors`)
  console.log(`ELF      ${image.file.path}`)
  const elf = runElfStage(machine.memory, image, plan.imageBase, progress)
  const served = await runDiskStage(memory, machine, plan, disk, settings, progress)

  const saved = await runSnapshotStage(memory.memory().intoInner(), machine, folder, progress)

  const checks = [...elf.checks, checkRom(machine.memory, rom), ...served.checks, ...saved.checks]
  const problems = [...elf.problems, ...served.problems, ...saved.problems]
  console.log()
  console.log(memory.memory().intoInner())
  console.log(checkTable(checks, process.stdout.columns))
  console.log(workTable([...elf.work, ...served.work, ...saved.work], process.stdout.columns))

  const failed = checks.filter((check) => !isRight(check))
  for (const problem of problems.slice(0, SHOWN_PROBLEMS)) console.error(`machine: ${problem}`)
  if (failed.length + problems.length === 0) {
    console.log(`All ${checks.length} checks passed.`)
    console.log('To read on: examples/machine.ts, docs/examples/README.md')
    return 0
  }
  console.error(`machine: ${failed.length} of ${checks.length} checks and ${problems.length} requests failed`)
  return 1
}

async function main(): Promise<number> {
  try {
    const settings = parseCommandLine(process.argv.slice(2))
    return settings === null ? 0 : await run(settings)
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`machine: ${error.message}`)
      return 2
    }
    console.error(error)
    return 1
  }
}

// Ends on the usual ways run the exit handlers, which put the terminal right and remove the temporary folder. A second signal
// (npm passes on what the terminal has sent to all) must not end the process in the midst of that: not `once`.
for (const [signal, number] of [
  ['SIGHUP', 1],
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.on(signal, () => process.exit(128 + number))
}
// Whoever reads the output may have seen enough (`| head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 128 + 13 : 1))

process.exitCode = await main()
