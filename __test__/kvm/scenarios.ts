// What a machine of examples/kvm has to do, and what it has to bear.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { DirtyAccount } from '../../examples/kvm/dirty-account.js'
import { PRIMES } from '../../examples/kvm/primes.js'
import { pageSize } from '../../index.js'
import type { Scenario } from '../scenario.js'
import { scenario, type Setting } from './bench.js'

const MIB = 2 ** 20

const digests = scenario(
  'the program reads, sorts and writes the disk, and the digests are right',
  'work',
  async (bench) => {
    bench.machine.resume()
    await bench.finish()
    const { reads, writes, doorbells } = bench.machine.diskCounts
    assert.ok(reads > 0 && writes > 0 && doorbells > 0)
    assert.ok(bench.lines.includes('cpu 0: read 262144 bytes of the disk'))
    assert.ok(bench.lines.includes('cpu 1: there are 82025 primes'))
    return `${reads + writes} requests, ${doorbells} doorbells`
  },
)

const dirty = scenario(
  "trackWrites tells what KVM's log and the bitmaps tell, at every stop",
  'work',
  async (bench) => {
    const { machine } = bench
    const account = new DirtyAccount()
    let [pages, byDiskAlone, byProcessorsAlone] = [0, 0, 0]
    for (let stop = 0; stop < 60; stop++) {
      machine.resume()
      await setTimeout(stop % 7)
      await machine.stop()
      const found = machine.slots.harvest()
      const { kvm, bitmap, tracked } = found
      assert.ok(
        account.add(found, (page) => machine.hasPage(page)),
        `stop ${stop}`,
      )
      pages += tracked?.size ?? 0
      byDiskAlone += [...bitmap].filter((page) => !kvm.has(page)).length
      byProcessorsAlone += [...kvm].filter((page) => !bitmap.has(page)).length
    }
    // Neither would do alone.
    assert.ok(byDiskAlone > 0 && byProcessorsAlone > 0)
    machine.resume()
    await bench.finish()
    return `${pages} pages at 60 stops, ${byDiskAlone} by the disk alone, ${account.early} early`
  },
)

const sieve = scenario(
  "where only processors write, trackWrites tells what KVM's log tells",
  'work',
  async (bench, { programs }) => {
    await bench.machine.close()
    // Processor 0 has nothing to do, and processor 1 sieves once.
    await bench.boot(programs.work, { rounds: 0, sieve: 8 })
    const { machine } = bench
    const account = new DirtyAccount()
    const written = new Set<number>()
    const stops = 40
    for (let stop = 0; stop <= stops; stop++) {
      machine.resume()
      // After a stop each page is slow once more; in the end it is let go on.
      await (stop < stops ? setTimeout(2 * (stop % 7)) : bench.ended())
      await machine.stop()
      const found = machine.slots.harvest()
      const { kvm, bitmap } = found
      assert.deepEqual([...bitmap], [])
      assert.ok(
        account.add(found, (page) => machine.hasPage(page)),
        `stop ${stop}`,
      )
      for (const page of kvm) written.add(page)
    }
    assert.equal(Number(machine.boot.primes), PRIMES.get(8))
    assert.ok(written.size >= (8 * MIB) / pageSize())
    if (account.tracked !== null) assert.equal(account.tracked, account.kvm + account.early)
    return `${written.size} pages, ${stops} stops, ${account.early} pages early`
  },
)

const plug = scenario(
  'memory is plugged in and out while both processors and the disk write',
  'work',
  async (bench) => {
    const { machine } = bench
    const cycles = 25
    machine.resume()
    for (let cycle = 1; cycle <= cycles; cycle++) {
      machine.plug(2 * MIB)
      const { dimm } = machine
      assert.ok(dimm !== null)
      await bench.until(() => bench.freed === cycle)
      assert.equal(machine.boot.dimms, cycle)
      await machine.unplug()
      assert.ok(dimm.isReleased)
      assert.equal(machine.dimm, null)
    }
    assert.equal(machine.slots.changes, 2 * cycles)
    await bench.finish()
    return `${cycles} times`
  },
)

const stop = scenario('the machine is stopped by immediate_exit anywhere, and runs on', 'work', async (bench) => {
  const { machine } = bench
  const snapshot = (): Buffer => {
    using memory = machine.memory.memory()
    return Buffer.concat(memory.views(0, Number(memory.lastAddr) + 1))
  }
  const stops = 100
  for (let count = 0; count < stops; count++) {
    machine.resume()
    if (count % 3 !== 0) await setTimeout(count % 5)
    await machine.stop()
    if (count % 10 !== 0) continue
    const before = snapshot()
    await setTimeout(5)
    assert.ok(snapshot().equals(before), 'somebody writes to memory of a machine that stands still')
  }
  for (const { signals } of machine.exits) assert.ok(signals > stops / 3)
  machine.resume()
  await bench.finish()
  return `${stops} times`
})

const snapshots = scenario(
  '50 snapshots are restored, each by a machine that runs on',
  'work',
  async (bench, { folder }) => {
    const snapshots = 50
    let written = 0
    let [former, latest] = [-1, -1]
    for (let count = 0; count < snapshots; count++) {
      bench.machine.resume()
      await setTimeout(count % 10)
      // With memory plugged in, now and then.
      if (count % 10 === 5) bench.machine.plug(2 * MIB)
      await bench.machine.stop()
      const file = fs.openSync(path.join(folder, `snapshot-${count}`), 'wx+')
      fs.unlinkSync(path.join(folder, `snapshot-${count}`))
      const saved = await bench.machine.save(file)
      written += saved.written
      await bench.machine.close()
      if (former !== -1) fs.closeSync(former)
      await bench.restore(file, saved)
      ;[former, latest] = [latest, file]
      if (bench.machine.dimm === null) continue
      bench.machine.resume()
      const { freed } = bench
      await bench.until(() => bench.freed > freed || bench.machine.boot.dimmState === 2)
      await bench.machine.unplug()
      await bench.machine.stop()
    }
    bench.machine.resume()
    await bench.finish()
    for (const file of [former, latest]) fs.closeSync(file)
    return `${(written / MIB).toFixed(0)} MiB`
  },
)

/** What guest/hostile.c does, and what comes of it: the queue is stopped, or the request gets a status. */
const STOPPED = 1
const [OK, IOERR, UNSUPP] = [2, 3, 4]
const HOSTILE: readonly (readonly [what: string, answer: number | readonly number[]])[] = [
  ['a descriptor that names itself', STOPPED],
  ['two descriptors that name each other', STOPPED],
  ['a head beyond the table', STOPPED],
  ['a next descriptor beyond the table', STOPPED],
  ['data where there is no memory', IOERR],
  ['a header where there is no memory', IOERR],
  ['a status where there is no memory', STOPPED],
  ['data that runs out of the memory', [IOERR, STOPPED]],
  ['data that runs out of the address space', STOPPED],
  ['data that is not whole sectors', IOERR],
  ['no data, and no status', STOPPED],
  ['no room for the status', STOPPED],
  ['readable behind writable', STOPPED],
  ['an indirect table that was not negotiated', STOPPED],
  ['an index 1000 ahead', STOPPED],
  ['an index one back', STOPPED],
  ['a sector that there is not', IOERR],
  ['a request that there is not', UNSUPP],
  ['a queue where there is no memory', STOPPED],
  ['a queue at the end of all addresses', STOPPED],
  ['a queue without entries', STOPPED],
  ['a queue of 48 entries', STOPPED],
  ['data over the queue itself', [OK, STOPPED]],
]

const hostile = scenario(
  'what a guest makes up in its ring stops its queue, and nothing else',
  'hostile',
  async (bench) => {
    const { machine } = bench
    machine.resume()
    assert.deepEqual(await bench.ended(), [0, 0])
    await machine.stop()
    const { answers, answersCount, failure } = machine.boot
    assert.equal(failure, 0, 'after each of them the disk is reset, and serves a request')
    assert.equal(answersCount, HOSTILE.length)
    for (const [index, [what, expected]] of HOSTILE.entries()) {
      const answer = answers[index] as number
      assert.ok([expected].flat().includes(answer), `${what}: ${answer}`)
    }
    const broken = bench.lines.filter((line) => line.startsWith('disk: the queue is broken: '))
    assert.ok(broken.length >= HOSTILE.filter(([, answer]) => answer === STOPPED).length)
    return `${HOSTILE.length} of them, ${broken.length} broken queues`
  },
)

const nowhere: Scenario<Setting> = scenario(
  'a program that runs into nothing ends its machine, and not the process',
  'work',
  async (bench, { programs }) => {
    await bench.machine.close()
    await bench.boot(programs.work, { begin: 0x7f00_0000 })
    bench.machine.resume()
    const error: unknown = await bench.machine.ended.catch((error: unknown) => error)
    assert.ok(error instanceof Error)
    assert.match(error.message, /^processor \d /)
    return error.message
  },
)

export const scenarios: readonly Scenario<Setting>[] = [digests, dirty, sieve, plug, stop, snapshots, hostile, nowhere]
