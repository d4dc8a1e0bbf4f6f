// A front-end that truncates the file of its guest's memory while the guest runs.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario } from '../scenario.js'
import { BackEnd } from './back-end.js'
import { digestDisk, eventually, IMAGE_SIZE, type Setting } from './guest.js'
import { VirtualMachine, type Machine } from './virtual-machine.js'

/** What the device says of each front-end. */
const ORDINARY = /^(serving|connected|disconnected|queue \d+ (started|stopped))/

const DEPTH = 8

/** Says when as many requests as fio makes at once wait for the device. */
const loaded = `fio --name=load --filename=/dev/vda --rw=randrw --bs=4k --direct=1 --ioengine=libaio --iodepth=${DEPTH} \\
  --time_based --runtime=100000 --output=/tmp/fio.txt &
echo @ready
read line
looks=0
while [ $looks -lt 3 ]; do
  sleep 0.1
  read reads writes < /sys/block/vda/inflight
  [ $((reads + writes)) -ge ${DEPTH} ] && looks=$((looks + 1)) || looks=0
done
echo @waiting
wait`

/** Stops a process; resolves when none of its threads runs any more. */
async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  const tasks = `/proc/${pid}/task`
  const isStopped = (task: string): boolean => /\) T /.test(fs.readFileSync(path.join(tasks, task, 'stat'), 'utf8'))
  while (!fs.readdirSync(tasks).every(isStopped)) await sleep(5)
}

export const truncatedMemory: Scenario<Setting> = {
  title: 'a front-end that truncates its memory loses its connection, and the next one is served',
  async run(setting) {
    const [image, socket, memoryFile] = ['disk.img', 'disk.sock', 'truncated.ram'].map((name) =>
      path.join(setting.folder, name),
    ) as [string, string, string]
    fs.writeFileSync(image, randomFillSync(Buffer.alloc(IMAGE_SIZE)))
    const backEnd = await BackEnd.start('vhost-user-blk', [image, socket])
    const common = { ...setting, socket, memory: '512M', timeout: 120 }
    const machines: VirtualMachine[] = []
    const start = (options: Pick<Machine, 'script' | 'memoryFile'>): VirtualMachine => {
      const machine = new VirtualMachine({ ...common, ...options })
      machines.push(machine)
      return machine
    }
    try {
      const baseline = backEnd.holdings()
      const guest = start({ script: loaded, memoryFile })
      await guest.line('ready')
      // The device is to find out before QEMU does, which dies of it, and is to have something to do then.
      await freeze(backEnd.pid)
      guest.say('go')
      await guest.line('waiting')
      await freeze(guest.pid)
      fs.truncateSync(memoryFile)
      process.kill(backEnd.pid, 'SIGCONT')
      const why = await backEnd.line(/^memory of the front-end is lost/)
      const summary = await backEnd.line(/^disconnected/)
      await eventually(() => assert.deepEqual(backEnd.holdings(), baseline))
      process.kill(guest.pid, 'SIGCONT')
      const signal = await guest.endedBy()
      assert.deepEqual(
        backEnd.lines.filter((line) => !ORDINARY.test(line)),
        [why],
      )
      assert.match(summary, / 0 failed,/)

      const expected = createHash('sha256').update(fs.readFileSync(image)).digest('hex')
      const next = start({ script: digestDisk('sha256', '1M') })
      assert.equal(await next.line('sha256'), expected)
      await next.end()
      assert.match(await backEnd.line(/^disconnected/, 2), / 0 failed,/)
      await eventually(() => assert.deepEqual(backEnd.holdings(), baseline))
      assert.equal(await backEnd.stop(), 0)
      return `"${why}"; QEMU ended by ${signal}`
    } catch (error) {
      const consoles = machines.map(({ console }) => console).join('\n')
      throw new Error(`${String(error)}\n${consoles}\nback-end:\n${backEnd.lines.join('\n')}`, { cause: error })
    } finally {
      for (const machine of machines) machine.kill()
      await backEnd.kill()
      fs.rmSync(memoryFile, { force: true })
    }
  },
}
