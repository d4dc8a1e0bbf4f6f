// A machine of examples/kvm with a small disk, for one test.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { loadProgram } from '../../examples/kvm/guest-program.js'
import { Machine, type MachineState, type Parts } from '../../examples/kvm/machine.js'
import { Boot, BOOT_PAGE, layOutMemory } from '../../examples/kvm/machine-layout.js'
import { PRIMES } from '../../examples/kvm/primes.js'
import type { Threads } from '../../examples/kvm/threads.js'
import type { ElfImage } from '../../examples/machine/elf.js'
import { SECTOR_SIZE } from '../../examples/virtio/virtio-blk.js'
import { GuestMemoryMmap, type SnapshotTable } from '../../index.js'
import type { Scenario } from '../scenario.js'

export interface Setting {
  readonly kvm: number
  readonly folder: string
  readonly threads: Threads
  readonly programs: Readonly<Record<'work' | 'hostile', ElfImage>>
}

const MIB = 2 ** 20
const SIEVE = 1
const DISK_SIZE = 256 * 1024
/** More than anybody waits for: the program goes on until it is told to finish. */
const FOR_EVER = 2 ** 31

/** Milliseconds for what takes one or two seconds on a machine with nothing else to do. */
const PATIENCE = 60_000

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** What machines open: their memory and their processors, the disk and its snapshots. */
function openDescriptors(folder: string): string[] {
  const links = fs.readdirSync('/proc/self/fd').map((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      // It was that of the folder.
      return ''
    }
  })
  return links.filter((link) => /kvm-vm|kvm-vcpu|memfd:kvm-machine/.test(link) || link.startsWith(folder)).toSorted()
}

/** What a test has: a machine, which may be put in the place of another one, and what it has said. */
export class Bench {
  readonly lines: string[] = []
  readonly image: string
  /** Regions that the program has let go of. */
  freed = 0
  machine!: Machine
  readonly #parts: Omit<Parts, 'memory'>
  readonly #fd: number
  readonly #before: string

  constructor({ kvm, threads, folder }: Setting) {
    this.image = path.join(folder, 'disk.img')
    const content = randomFillSync(Buffer.alloc(DISK_SIZE))
    fs.writeFileSync(this.image, content)
    this.#before = digestOf(content)
    this.#fd = fs.openSync(this.image, 'r+')
    this.#parts = {
      kvm,
      threads,
      disk: { fd: this.#fd, sectors: DISK_SIZE / SECTOR_SIZE, id: 'test' },
      say: (line) => this.lines.push(line),
      onDimmFree: () => this.freed++,
    }
  }

  async boot(program: ElfImage, { rounds = FOR_EVER, sieve = SIEVE, begin = 0 } = {}): Promise<void> {
    const memory = layOutMemory({ diskBytes: DISK_SIZE, sieveBytes: sieve * MIB, rounds })
    const entry = loadProgram(memory, program)
    this.machine = await Machine.make({ ...this.#parts, memory }, begin || entry)
  }

  async restore(file: number, state: MachineState & { readonly table: SnapshotTable }): Promise<void> {
    const memory = GuestMemoryMmap.fromSnapshot(file, state.table, { bitmap: true })
    this.machine = await Machine.make({ ...this.#parts, memory }, state)
  }

  /** Waits until something is so, while the machine runs, which must not end before. */
  async until(isSo: () => boolean): Promise<void> {
    const begun = performance.now()
    while (!isSo()) {
      const codes = await Promise.race([this.machine.ended, setTimeout(1, null)])
      assert.equal(codes, null, 'the machine has come to its end')
      assert.ok(performance.now() - begun < PATIENCE, 'it takes too long')
    }
  }

  /** The exit codes of the programs. */
  async ended(): Promise<readonly number[]> {
    const late = new AbortController()
    const tooLong = setTimeout(PATIENCE, null, { signal: late.signal }).then(() =>
      assert.fail('the machine does not end'),
    )
    try {
      return await Promise.race([this.machine.ended, tooLong])
    } finally {
      late.abort()
      tooLong.catch(() => {})
    }
  }

  /** Has a machine that runs come to its end, and checks what is left of it: the digests, the primes, and no complaint. */
  async finish(): Promise<void> {
    // Until there is something to compare.
    await this.until(() => this.lines.some((line) => line.includes('sorted')) && this.machine.boot.sieves > 0)
    {
      using memory = this.machine.memory.memory()
      memory.writeU32(0, BOOT_PAGE + Boot.offsets.rounds)
    }
    assert.deepEqual(await this.ended(), [0, 0])
    await this.machine.stop()
    const { before, after, failure, primes } = this.machine.boot
    assert.equal(failure, 0)
    assert.equal(Number(primes), PRIMES.get(SIEVE))
    assert.equal(Buffer.from(before).toString('hex'), this.#before)
    assert.equal(Buffer.from(after).toString('hex'), digestOf(fs.readFileSync(this.image)))
    assert.notEqual(digestOf(fs.readFileSync(this.image)), this.#before)
  }

  async close(): Promise<void> {
    await this.machine.close()
    fs.closeSync(this.#fd)
  }
}

/** Makes a test with a machine of its own, of which nothing may be left. */
export function scenario(
  title: string,
  program: 'work' | 'hostile',
  during: (bench: Bench, setting: Setting) => Promise<string>,
): Scenario<Setting> {
  return {
    title,
    async run(setting) {
      const descriptors = openDescriptors(setting.folder)
      const bench = new Bench(setting)
      await bench.boot(setting.programs[program])
      try {
        return await during(bench, setting)
      } finally {
        await bench.close()
        assert.deepEqual(openDescriptors(setting.folder), descriptors)
      }
    },
  }
}
