/**
 * A virtual machine on /dev/kvm whose memory is this package's. A program in C reads, sorts and writes a disk on one processor, and sieves
 * on the other one; meanwhile memory is plugged in and out, the machine is stopped again and again to ask what was written, and once it is
 * saved, and another machine made of that runs on.
 *
 *     npm run kvm -- [options] [disk]
 */
import { join } from 'node:path'
import { pageSize } from '../../index.js'
import { digestOfFile, openDisk } from '../machine/disk-image.js'
import { MIB } from '../machine/memory-layout.js'
import { makeProgress } from '../machine/progress.js'
import { checkTable, isRight, workTable, type Check } from '../machine/report.js'
import { makeTemporaryFolder } from '../machine/temporary-folder.js'
import { UsageError } from '../machine/usage-error.js'
import { SECTOR_SIZE } from '../virtio/virtio-blk.js'
import { parseCommandLine, type Settings } from './command-line.js'
import type { DirtyAccount } from './dirty-account.js'
import { compileProgram, loadProgram } from './guest-program.js'
import { Life } from './life.js'
import type { Machine } from './machine.js'
import { layOutMemory } from './machine-layout.js'
import { PRIMES } from './primes.js'
import { dirtyTable, workOf } from './report.js'
import { endThreads, startThreads } from './threads.js'
import { NoKvmError, openKvm } from './vm.js'

/** Of the disk, in a request. */
const CHUNK = 64 * 1024
/** A round reads the disk, writes it, and reads it again. */
const PASSES = 3

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex')

/** What is wrong with the end of a machine. */
function problemsOf(boot: Machine['boot'], checks: readonly Check[], dirty: DirtyAccount, primes?: number): string[] {
  return [
    ...(boot.failure === 0 ? [] : [`the program has found something wrong (${boot.failure})`]),
    ...(Number(boot.primes) === primes ? [] : [`there are not ${boot.primes} primes`]),
    ...checks.filter((check) => !isRight(check)).map(({ name }) => `${name}: the digests differ`),
    ...(dirty.agreed === dirty.stops ? [] : ['the witnesses differ about the pages that were written']),
  ]
}

async function run(settings: Settings): Promise<number> {
  const kvm = openKvm()
  const folder = makeTemporaryFolder()
  const program = compileProgram('work', folder)
  const disk = openDisk(settings.disk, settings.inPlace, folder)
  const diskBytes = disk.sectors * SECTOR_SIZE
  const [sieveBytes, dimmBytes] = [settings.sieve * MIB, settings.dimm * MIB]
  const memory = layOutMemory({ diskBytes, sieveBytes, rounds: settings.rounds })
  const before = digestOfFile(disk.fd, diskBytes)
  console.log(`memory  ${(Number(memory.lastAddr) + 1) / MIB} MiB, and ${settings.dimm} that come and go`)
  console.log(`disk    ${disk.description}, ${disk.sectors} sectors`)

  const lines: string[] = []
  const threads = startThreads()
  const requests = settings.rounds * PASSES * Math.ceil(diskBytes / CHUNK)
  const progress = makeProgress()
  const life = new Life({
    parts: { kvm, threads, disk: { ...disk, id: 'vm-memory-disk' }, memory, say: (line) => lines.push(line) },
    entry: loadProgram(memory, program),
    dimmBytes,
    stopEvery: settings.stopEvery,
    snapshot: join(folder, 'snapshot'),
    requests,
    advance: (done) => progress.advance(done),
  })
  progress.begin('the machine runs', requests)
  await life.live()
  progress.end()
  const { boot } = life.machine
  await life.machine.close()
  await endThreads(threads)

  const checks = [
    { name: 'the disk, as it was', guest: hex(boot.before), file: before },
    { name: 'the disk, sorted', guest: hex(boot.after), file: digestOfFile(disk.fd, diskBytes) },
  ]
  const { dirty } = life
  const work = [
    ...workOf(life.deeds, life.running),
    { name: 'sieves', count: boot.sieves, bytes: boot.sieves * sieveBytes, milliseconds: life.running },
    { name: 'regions plugged in and used', count: boot.dimms, bytes: boot.dimms * dimmBytes },
    { name: 'regions unplugged', count: life.unplugged },
    { name: 'stops by immediate_exit', count: dirty.stops, milliseconds: life.stopping },
    ...life.work,
  ]
  console.log()
  for (const line of lines) console.log(line)
  console.log(checkTable(checks, process.stdout.columns))
  console.log(workTable(work, process.stdout.columns))
  console.log(dirtyTable(dirty, pageSize()))

  const problems = problemsOf(boot, checks, dirty, PRIMES.get(settings.sieve))
  for (const problem of problems) console.error(`kvm: ${problem}`)
  if (problems.length === 0) console.log('All checks passed.')
  return problems.length === 0 ? 0 : 1
}

try {
  const settings = parseCommandLine(process.argv.slice(2))
  if (settings !== null) process.exitCode = await run(settings)
} catch (error) {
  if (error instanceof NoKvmError) {
    console.log(`skipped: ${error.message}`)
  } else if (error instanceof UsageError) {
    console.error(`kvm: ${error.message}`)
    process.exitCode = 2
  } else {
    console.error(error)
    process.exitCode = 1
  }
}
