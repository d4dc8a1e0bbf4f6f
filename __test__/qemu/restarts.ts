// A guest whose back-end ends again and again under its I/O: asked to, or killed. QEMU connects to the next one.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BackEnd } from './back-end.js'
import type { Scenario } from '../scenario.js'
import type { Setting } from './guest.js'
import { VirtualMachine } from './virtual-machine.js'

const MIB = 2 ** 20
const IMAGE_SIZE = 32 * MIB
const WRITTEN = 8 * MIB

/** Writes that are verified, and reads beside them: requests that take long, and many that do not, end out of order. */
const LOADS = {
  random: '--rw=randwrite --bs=64k --iodepth=4 --fsync=1',
  large: '--rw=write --bs=1M --iodepth=4 --fsync=1',
} as const
type Load = keyof typeof LOADS

/**
 * Runs the load that the host says, until it says to stop. Each round of fio writes all of its part of the disk, and
 * reads it back to compare it.
 */
const script = `direct="--filename=/dev/vda --direct=1 --ioengine=libaio --randrepeat=0"
readers() {
  while [ ! -e /tmp/stop ]; do
    fio --eta=never --name=reads $direct --offset=${WRITTEN} --size=${IMAGE_SIZE - WRITTEN} --rw=randread --bs=4k --iodepth=32 \\
      --output=/tmp/reads.txt || { cat /tmp/reads.txt; echo @fail reads; break; }
  done
}
writers() {
  rounds=0
  while [ ! -e /tmp/stop ]; do
    fio --eta=never --name=writes $direct --size=${WRITTEN} "$@" --verify=crc32c --verify_fatal=1 --verify_state_save=0 \\
      --output=/tmp/writes.txt || { cat /tmp/writes.txt; echo @fail writes; break; }
    rounds=$((rounds+1))
  done
  echo "@$load-rounds $rounds"
}
run() {
  rm -f /tmp/stop
  readers &
  writers "$@" &
  echo "@$load-runs"
  read line
  touch /tmp/stop
  wait
}
echo @ready
while read load; do
  case $load in
${Object.entries(LOADS)
  .map(([load, options]) => `    ${load}) run ${options};;`)
  .join('\n')}
    *) break;;
  esac
done
echo "@sha256 $(dd if=/dev/vda bs=1M iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"`

/** The guest's driver has seen nothing wrong. */
function assertSound(machine: VirtualMachine): void {
  assert.doesNotMatch(machine.console, /is not a head|I\/O error|^@fail/m)
}

interface Plan {
  readonly queues: number
  /** The load, how its back-ends end, and how many of them. */
  readonly parts: readonly (readonly [load: Load, end: 'stop' | 'kill', times: number])[]
}

async function restart(setting: Setting, { queues, parts }: Plan): Promise<string> {
  const image = path.join(setting.folder, 'disk.img')
  fs.writeFileSync(image, randomFillSync(Buffer.alloc(IMAGE_SIZE)))
  const socket = path.join(setting.folder, 'disk.sock')
  const start = (): Promise<BackEnd> => BackEnd.start('vhost-user-blk', [image, socket])
  let backEnd = await start()
  const machine = new VirtualMachine({
    ...setting,
    socket,
    script,
    queues,
    cpus: queues,
    memory: '512M',
    reconnects: true,
    timeout: parts.reduce((seconds, [, , times]) => seconds + 8 * times, 60),
  })
  const told: string[] = []
  try {
    await machine.line('ready')
    for (const [load, end, times] of parts) {
      machine.say(load)
      await machine.line(`${load}-runs`)
      for (let time = 0; time < times; time++) {
        // Some time in the middle of it, wherever that is.
        await sleep(100 + Math.random() * 400)
        assert.equal(await backEnd[end](), end === 'stop' ? 0 : null)
        backEnd = await start()
        for (let queue = 0; queue < queues; queue++) await backEnd.line(new RegExp(`^queue ${queue} started`))
        assertSound(machine)
      }
      machine.say('stop')
      const rounds = Number(await machine.line(`${load}-rounds`))
      assert.ok(rounds >= 1, `${rounds} rounds`)
      told.push(`${times} × ${end} under ${rounds} rounds of ${load} writes`)
      machine.lines.length = 0
    }
    machine.say('end')
    await machine.line('sha256')
    await machine.end()
    assertSound(machine)
    const digest = createHash('sha256').update(fs.readFileSync(image)).digest('hex')
    assert.equal(await machine.line('sha256'), digest)
    assert.match(await backEnd.line(/^disconnected/), / 0 failed,/)
    assert.equal(await backEnd.stop(), 0)
  } catch (error) {
    throw new Error(`${String(error)}\n${machine.console}\nback-end:\n${backEnd.lines.join('\n')}`, { cause: error })
  } finally {
    machine.kill()
    await backEnd.kill()
  }
  return told.join(', ')
}

/** Back-ends are told to end `times` times, and killed twice as often under each load. */
export const restarts = (times: number): readonly Scenario<Setting>[] =>
  [1, 2].flatMap((queues) => [
    {
      title: `back-ends that are told to end under I/O, ${queues} ${queues === 1 ? 'queue' : 'queues'}`,
      run: (setting) => restart(setting, { queues, parts: [['random', 'stop', times]] }),
    },
    {
      title: `back-ends that are killed under I/O, ${queues} ${queues === 1 ? 'queue' : 'queues'}`,
      run: (setting) =>
        restart(setting, {
          queues,
          parts: [
            ['random', 'kill', 2 * times],
            ['large', 'kill', 2 * times],
          ],
        }),
    },
  ])
