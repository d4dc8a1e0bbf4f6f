// Guests that move under I/O: to another QEMU and another device on the same image, or through a file.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario } from '../scenario.js'
import { BackEnd } from './back-end.js'
import { digestDisk, IMAGE_SIZE, MIB, type Setting } from './guest.js'
import { GuestError, VirtualMachine } from './virtual-machine.js'

const HALF = IMAGE_SIZE / 2

/** Requests in flight of the load that reads. */
const DEPTH = 16

/** How often a round of the load that reads reads everything: fio does that once for each name of the disk. */
const PASSES = 64

/**
 * Two loads until the host says stop: one writes to the first half of the disk, and reads it back to compare it, again
 * and again; the other reads what was once written to the second half. To the buffers of the latter, nobody but the
 * device writes. When the guest moves, some of its requests are in flight, and others are done that fio has not looked at.
 */
const script = `verified() {
  job=$1
  shift
  fio --name=$job --thread --direct=1 --ioengine=libaio --eta=never "$@" \\
    --verify=crc32c --verify_fatal=1 --verify_state_save=0 --output=/tmp/$job.txt
}
failed() {
  touch /tmp/failed
  cat /tmp/$1.txt
  echo "@fail $1"
}
reader() {
  names=""
  for number in $(seq ${PASSES}); do
    ln -s /dev/vda /tmp/disk$number
    names=$names:/tmp/disk$number
  done
  while [ ! -e /tmp/stop ]; do
    verified reads --filename=\${names#:} --offset=${HALF} --size=${PASSES * HALF} \\
      --rw=randread --bs=16k --iodepth=${DEPTH} && continue
    [ -e /tmp/stop ] || failed reads
    break
  done
  touch /tmp/read
}
writer() {
  count=0
  while [ ! -e /tmp/stop ]; do
    verified writes --filename=/dev/vda --size=${HALF} \\
      --rw=randwrite --bs=64k --iodepth=4 --fsync=8 --randrepeat=0 || { failed writes; break; }
    count=$((count + 1))
    echo "@writes $count"
  done
  echo "@rounds $count"
}
# How many reads the disk has done, as long as all are right.
progress() {
  until [ -e /tmp/stop -o -e /tmp/failed ]; do
    sleep 0.5
    read reads others < /sys/block/vda/stat
    echo "@reads $reads"
  done
}
verified layout --filename=/dev/vda --offset=${HALF} --size=${HALF} \\
  --rw=write --bs=16k --iodepth=4 --do_verify=0 || failed layout
reader &
progress &
writer &
writer=$!
read line
touch /tmp/stop
wait $writer
# It may be about to start, and would read for a minute.
until [ -e /tmp/read ]; do
  killall -INT fio 2>/dev/null
  sleep 0.2
done
wait
${digestDisk('sha256', '1M')}`

/** All that was in flight, and more than the other load reads until it is told that this one has failed. */
const ENOUGH_READS = 32 * DEPTH

/**
 * Not a multiple of 256 KiB: where it is one, QEMU before version 9 misses writes of vCPUs under TCG to pages that it has
 * copied ("physmem: Fix migration dirty bitmap coherency with TCG memory access"), and guests crash now and then.
 */
const MEMORY = `${384 * 1024 - 128}K`

/** How a guest gets to its next QEMU. */
type Way =
  /** Runs while it is copied. */
  | 'socket'
  /** Runs while it is written; the next QEMU starts when this one is gone. */
  | 'file'
  /** Stands still while it is written. */
  | 'saved'

/** A guest's QEMU, and its device. */
interface Place {
  readonly machine: VirtualMachine
  readonly backEnd: BackEnd
}

/** What QEMU says of a move that is over. */
interface Move {
  /** Milliseconds in which the guest ran nowhere, where QEMU knows. */
  readonly downtime: number
  /** Pages that were sent, as bytes or as the note that they are zeros, some of them several times. */
  readonly pages: number
  /** How often QEMU has asked who has written where. */
  readonly rounds: number
}

/** The part of query-migrate that is used. */
interface Migration {
  readonly status?: string
  readonly downtime?: number
  readonly 'error-desc'?: string
  readonly ram?: { readonly normal: number; readonly duplicate: number; readonly 'dirty-sync-count': number }
}

/** After so many rounds, the guest writes faster than a busy host copies. */
const MANY_ROUNDS = 20

async function moved(machine: VirtualMachine): Promise<Move> {
  for (let isHurried = false; ; await sleep(20)) {
    const { status, downtime = 0, ram, ...rest } = (await machine.command('query-migrate')) as Migration
    if (status === 'failed') throw new Error(`the migration has failed: ${rest['error-desc']}`)
    if (ram === undefined) continue
    const { normal, duplicate, 'dirty-sync-count': rounds } = ram
    if (status === 'completed') return { downtime, pages: normal + duplicate, rounds }
    if (isHurried || rounds < MANY_ROUNDS) continue
    isHurried = true
    await machine.command('migrate-set-parameters', { 'downtime-limit': 10_000 })
  }
}

async function untilStatus(machine: VirtualMachine, wanted: string): Promise<void> {
  while (((await machine.command('query-status')) as { status: string }).status !== wanted) await sleep(5)
}

/** A guest that moves from place to place. */
class Traveller {
  readonly #setting: Setting
  readonly #image: string
  /** A module that devices load first. */
  readonly #preloaded: URL | undefined
  readonly #places: Place[] = []

  constructor(setting: Setting, preloaded?: URL) {
    this.#setting = setting
    this.#image = path.join(setting.folder, 'moving.img')
    this.#preloaded = preloaded
    fs.writeFileSync(this.#image, randomFillSync(Buffer.alloc(IMAGE_SIZE)))
  }

  get #here(): Place {
    const place = this.#places.at(-1)
    assert.ok(place !== undefined)
    return place
  }

  async start(): Promise<void> {
    await this.#open(false)
    await this.#reads(1)
  }

  async move(way: Way): Promise<Move> {
    const from = this.#here
    const file = path.join(this.#setting.folder, way === 'socket' ? 'migration.sock' : 'migration')
    if (way === 'socket') {
      const uri = `unix:${file}`
      await this.#open(true)
      await this.#here.machine.command('migrate-incoming', { uri })
      await from.machine.command('migrate', { uri })
      const move = await moved(from.machine)
      await untilStatus(this.#here.machine, 'running')
      await this.#leave(from)
      return move
    }
    if (way === 'saved') await from.machine.command('stop')
    await from.machine.command('migrate', { uri: `exec:cat > ${file}` })
    const move = await moved(from.machine)
    await this.#leave(from)
    await this.#open(true)
    await this.#here.machine.command('migrate-incoming', { uri: `exec:cat ${file}` })
    if (way === 'saved') {
      await untilStatus(this.#here.machine, 'paused')
      await this.#here.machine.command('cont')
    }
    await untilStatus(this.#here.machine, 'running')
    fs.rmSync(file)
    return move
  }

  /** Waits for the verdicts on what was in flight when the guest moved. */
  async verified(): Promise<void> {
    await this.#reads(ENOUGH_READS)
    await this.#here.machine.line('writes')
  }

  /** Waits until the disk has done `count` more reads than when the guest first told here. */
  async #reads(count: number): Promise<void> {
    const { machine } = this.#here
    const first = Number(await machine.line('reads'))
    await machine.line('reads', (reads) => Number(reads) >= first + count)
  }

  /** Until the guest has switched itself off; how many rounds of writes it has done. */
  async end(): Promise<number> {
    const { machine, backEnd } = this.#here
    machine.say('stop')
    const rounds = Number(await machine.line('rounds'))
    const digest = await machine.line('sha256')
    await machine.end()
    assert.doesNotMatch(machine.console, /^verify|is not a head|I\/O error/m)
    assert.equal(digest, createHash('sha256').update(fs.readFileSync(this.#image)).digest('hex'))
    assert.match(await backEnd.line(/^disconnected/), / 0 failed,/)
    assert.equal(await backEnd.stop(), 0)
    return rounds
  }

  /** What all consoles and devices have said. */
  get told(): string {
    return this.#places.map(({ machine, backEnd }) => [machine.console, ...backEnd.lines].join('\n')).join('\n--\n')
  }

  async kill(): Promise<void> {
    for (const { machine, backEnd } of this.#places) {
      machine.kill()
      await backEnd.kill()
    }
  }

  async #open(incoming: boolean): Promise<void> {
    const socket = path.join(this.#setting.folder, `place-${this.#places.length}.sock`)
    const backEnd = await BackEnd.start('vhost-user-blk', ['--share-writes', this.#image, socket], [], this.#preloaded)
    const machine = new VirtualMachine({
      ...this.#setting,
      socket,
      script,
      incoming,
      memory: MEMORY,
      queues: 2,
      cpus: 2,
      timeout: 180,
    })
    this.#places.push({ machine, backEnd })
    await machine.command('migrate-set-parameters', { 'max-bandwidth': 128 * MIB })
  }

  async #leave({ machine, backEnd }: Place): Promise<void> {
    machine.kill()
    assert.match(await backEnd.line(/^disconnected/), / 0 failed,/)
    assert.equal(await backEnd.stop(), 0)
  }
}

/** Runs `during` with a guest that has started. */
async function travel(traveller: Traveller, during: () => Promise<string>): Promise<string> {
  try {
    await traveller.start()
    return await during()
  } catch (error) {
    throw new Error(`${String(error)}\n${traveller.told}`, { cause: error })
  } finally {
    await traveller.kill()
  }
}

/** The least, the median and the most. */
function spread(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const [least, median, most] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)]
  return least === most ? `${least}` : `${least}–${most} (median ${median})`
}

function migration(title: string, way: Way, times: number): Scenario<Setting> {
  return {
    title,
    run(setting) {
      const traveller = new Traveller(setting)
      return travel(traveller, async () => {
        const moves: Move[] = []
        while (moves.length < times) {
          moves.push(await traveller.move(way))
          await traveller.verified()
        }
        const rounds = await traveller.end()
        const of = (what: keyof Move): string => spread(moves.map((move) => move[what]))
        const figures = [`${of('pages')} pages in ${of('rounds')} rounds`]
        if (way === 'socket') figures.unshift(`downtime ${of('downtime')} ms`)
        const count = times === 1 ? 'once' : `${times} times`
        return `${count}; ${figures.join(', ')}; ${rounds} rounds of fio verified, same SHA-256`
      })
    },
  }
}

const MOVES_UNTIL_NOTICED = 5

const sabotage: Scenario<Setting> = {
  title: 'a guest notices when the device does not log data',
  run(setting) {
    const traveller = new Traveller(setting, new URL('unlogged-data.mjs', import.meta.url))
    return travel(traveller, async () => {
      for (let move = 1; move <= MOVES_UNTIL_NOTICED; move++) {
        await traveller.move('socket')
        try {
          await traveller.verified()
        } catch (error) {
          if (!(error instanceof GuestError)) throw error
          const verdict = /^(fio: )?verify.*/m.exec(error.message)
          assert.ok(verdict !== null, error.message)
          return `at move ${move}: "${verdict[0]}"`
        }
      }
      throw new Error(`nothing was noticed in ${MOVES_UNTIL_NOTICED} moves`)
    })
  },
}

/** Each way is gone `times` times; if nobody has asked for that, the one over a socket once. */
export const migrations = (times: number | undefined): readonly Scenario<Setting>[] => [
  migration('a guest moves to another QEMU and another device under fio', 'socket', times ?? 1),
  ...(times === undefined
    ? []
    : [
        migration('a guest moves through a file under fio', 'file', times),
        migration('a guest is stopped, saved and restored under fio', 'saved', times),
      ]),
  sabotage,
]
