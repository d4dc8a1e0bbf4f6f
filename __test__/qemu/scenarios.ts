// What guests are to go through, and what is to be found afterwards.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario } from '../scenario.js'
import { BackEnd } from './back-end.js'
import type { Packages } from './packages.js'
import { VirtualMachine, type Machine } from './virtual-machine.js'

export interface Setting {
  readonly packages: Packages
  readonly folder: string
  readonly base: string
}

const MIB = 2 ** 20
const IMAGE_SIZE = 32 * MIB
const MAP_CHANGES = 4000

/** Reads the whole disk around all caches, and prints its digest behind a word. */
const digestDisk = (word: string, blockSize: string): string =>
  `echo "@${word} $(dd if=/dev/vda bs=${blockSize} iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"`

/** Two jobs that write, read and verify on their own halves of the disk. */
const verifyDisk = `fio --name=verify --filename=/dev/vda --size=${IMAGE_SIZE / 2} --offset_increment=${IMAGE_SIZE / 2} --numjobs=2 --thread \\
  --rw=randrw --bsrange=512-64k --blockalign=512 --direct=1 --ioengine=libaio --iodepth=16 --fsync=64 \\
  --verify=crc32c --verify_fatal=1 --verify_backlog=256 --randrepeat=0 --group_reporting --output=/tmp/fio.txt \\
  && echo @verified || { cat /tmp/fio.txt; echo @fail fio; }`

interface Run {
  readonly machine: VirtualMachine
  readonly backEnd: BackEnd
  /** SHA-256 of the image as it was in the beginning. */
  readonly digest: string
}

interface RunOptions extends Omit<Machine, 'packages' | 'folder' | 'base' | 'socket' | 'timeout'> {
  readonly backEndOptions?: readonly string[]
  readonly timeout?: number
}

/**
 * Runs a guest on a fresh image, with what `during` does meanwhile. Afterwards the back-end must have nothing left of
 * it. Returns how often the map has changed.
 */
async function runGuest(setting: Setting, options: RunOptions, during: (run: Run) => Promise<void>): Promise<number> {
  const image = path.join(setting.folder, 'disk.img')
  const content = randomFillSync(Buffer.alloc(IMAGE_SIZE))
  fs.writeFileSync(image, content)
  const socket = path.join(setting.folder, 'disk.sock')
  const backEnd = await BackEnd.start('vhost-user-blk', [...(options.backEndOptions ?? []), image, socket])
  try {
    const baseline = backEnd.holdings()
    const machine = new VirtualMachine({ timeout: 120, ...setting, ...options, socket })
    try {
      await during({ machine, backEnd, digest: createHash('sha256').update(content).digest('hex') })
      await machine.end()
    } catch (error) {
      throw new Error(`${String(error)}\nback-end:\n${backEnd.lines.join('\n')}`, { cause: error })
    } finally {
      machine.kill()
    }
    const summary = await backEnd.line(/^disconnected/)
    assert.match(summary, / 0 failed,/)
    await eventually(() => assert.deepEqual(backEnd.holdings(), baseline))
    assert.equal(await backEnd.stop(), 0)
    return Number(/(\d+) map changes/.exec(summary)?.[1])
  } finally {
    backEnd.kill()
  }
}

/** The descriptors of ended threads go a moment after the line that tells of it. */
async function eventually(check: () => void, milliseconds = 2000): Promise<void> {
  const end = performance.now() + milliseconds
  for (;;) {
    try {
      return check()
    } catch (error) {
      if (performance.now() > end) throw error
      await sleep(20)
    }
  }
}

const boot: Scenario<Setting> = {
  title: 'the guest reads what is in the image',
  async run(setting) {
    const script = `${digestDisk('sha256', '1M')}
cat /sys/block/vda/size /sys/block/vda/serial | tr '\\n' ' ' | sed 's/^/@disk /'; echo
echo "@queues $(ls /sys/block/vda/mq | wc -l)"`
    const changes = await runGuest(setting, { memory: '512M', queues: 2, cpus: 2, script }, async (run) => {
      assert.equal(await run.machine.line('sha256'), run.digest)
      assert.equal((await run.machine.line('disk')).trim(), `${IMAGE_SIZE / 512} vm-memory-disk`)
      assert.equal(await run.machine.line('queues'), '2')
    })
    return `${changes} map changes`
  },
}

const readOnly: Scenario<Setting> = {
  title: 'a read-only disk stays as it is',
  async run(setting) {
    const script = `echo "@read-only $(cat /sys/block/vda/ro)"
dd if=/dev/zero of=/dev/vda bs=512 count=1 oflag=direct 2>/dev/null && echo @fail write
${digestDisk('sha256', '1M')}`
    const options = { memory: '512M', script, backEndOptions: ['--read-only'] }
    await runGuest(setting, options, async ({ machine, digest }) => {
      assert.equal(await machine.line('read-only'), '1')
      assert.equal(await machine.line('sha256'), digest)
    })
    return ''
  },
}

const verify: Scenario<Setting> = {
  title: 'fio verifies what it has written at random',
  async run(setting) {
    const options = { memory: '512M', queues: 2, cpus: 2, script: verifyDisk }
    await runGuest(setting, options, async ({ machine }) => void (await machine.line('verified')))
    return ''
  },
}

const trim: Scenario<Setting> = {
  title: 'what the guest discards are zeros, and no blocks of the image',
  async run(setting) {
    const options = '--rw=trim --bs=512k --direct=1 --ioengine=psync --output=/tmp/fio.txt'
    const script = `echo "@limits $(cat /sys/block/vda/queue/discard_max_bytes) $(cat /sys/block/vda/queue/write_zeroes_max_bytes)"
fio --name=trim --filename=/dev/vda --size=${IMAGE_SIZE / 2} ${options} && echo @trimmed || { cat /tmp/fio.txt; echo @fail fio; }
${digestDisk('sha256', '1M')}`
    const image = path.join(setting.folder, 'disk.img')
    let told = ''
    await runGuest(setting, { memory: '512M', script }, async ({ machine }) => {
      const before = { content: fs.readFileSync(image), blocks: fs.statSync(image).blocks }
      told = await machine.line('limits')
      assert.ok(told.split(' ').every((bytes) => Number(bytes) > 0))
      await machine.line('trimmed')
      const expected = before.content.fill(0, 0, IMAGE_SIZE / 2)
      assert.equal(await machine.line('sha256'), createHash('sha256').update(expected).digest('hex'))
      assert.ok(fs.readFileSync(image).equals(expected))
      assert.equal(fs.statSync(image).blocks, before.blocks - IMAGE_SIZE / 2 / 512)
    })
    return `at most ${told} bytes at once`
  },
}

/** Megabytes of a DIMM, and of each buffer that is to lie in it. */
const DIMM = 256
const BUFFER = '16M'

function hotPlug(title: string, backEndOptions: readonly string[]): Scenario<Setting> {
  const script = `total() { sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo; }
echo online_movable > /sys/devices/system/memory/auto_online_blocks
before=$(total)
echo @ready
while [ $(total) -le $before ]; do ${digestDisk('reading', '1M')}; done
echo "@plugged $(( $(total) - before ))"
for round in 1 2 3; do ${digestDisk('high', BUFFER)}; done
echo @high-done
while [ $(total) -gt $before ]; do ${digestDisk('unplugging', '1M')}; done
echo @unplugged
${digestDisk('after', BUFFER)}`
  return {
    title,
    async run(setting) {
      const options = { memory: '512M', memoryOptions: ',slots=4,maxmem=4G', script, backEndOptions }
      const changes = await runGuest(setting, options, async ({ machine, backEnd, digest }) => {
        await machine.line('ready')
        const size = DIMM * MIB
        const isMapped = (): boolean => backEnd.mappings().some((mapping) => mapping.size === size)
        assert.ok(!isMapped())
        await machine.command('object-add', { 'qom-type': 'memory-backend-memfd', id: 'mem1', size, share: true })
        await machine.command('device_add', { driver: 'pc-dimm', id: 'dimm1', memdev: 'mem1' })
        assert.equal(Number(await machine.line('plugged')), DIMM * 1024)
        await machine.line('high-done')
        assert.ok(isMapped(), 'the DIMM is mapped')
        await machine.command('device_del', { id: 'dimm1' })
        await machine.line('unplugged')
        await machine.line('after')
        const digests = machine.lines.filter((line) => /^(reading|high|unplugging|after) /.test(line))
        assert.ok(digests.length >= 4)
        for (const line of digests) assert.equal(line.split(' ')[1], digest, line)
      })
      return `${changes} map changes`
    },
  }
}

function churn(title: string, backEndOptions: readonly string[]): Scenario<Setting> {
  // Bit 1 of the command register: whether the device's memory is there at all. Each write of it is a map change. What
  // stands before the register cannot be written, so the shell needs no other program to get there.
  const script = `for device in /sys/bus/pci/devices/*; do
  [ "$(cat $device/vendor $device/device | tr '\\n' ' ')" = "0x1af4 0x1110 " ] && config=$device/config
done
pairs=0
( while [ $pairs -lt ${MAP_CHANGES / 2} ]; do
    printf '\\364\\032\\020\\021\\000\\000' > $config; printf '\\364\\032\\020\\021\\002\\000' > $config; pairs=$((pairs+1))
  done; touch /tmp/toggled ) &
rounds=0
while [ ! -e /tmp/toggled ]; do
  ${verifyDisk.replace('echo @verified', 'rounds=$((rounds+1))').replace('echo @fail fio', 'echo @fail fio; break')}
done
wait
echo "@rounds $rounds"`
  return {
    title,
    async run(setting) {
      const extra = ['-object', 'memory-backend-memfd,id=iv,size=16M,share=on', '-device', 'ivshmem-plain,memdev=iv']
      const options = { memory: '512M', queues: 2, cpus: 2, script, extra, backEndOptions, timeout: 240 }
      let peak = 0
      let rounds = ''
      const changes = await runGuest(setting, options, async ({ machine, backEnd }) => {
        const timer = setInterval(() => (peak = Math.max(peak, backEnd.holdings().descriptors)), 100)
        try {
          rounds = await machine.line('rounds')
        } finally {
          clearInterval(timer)
        }
      })
      assert.ok(changes >= MAP_CHANGES, `${changes} map changes`)
      assert.ok(Number(rounds) >= 1)
      return `${changes} map changes under ${rounds} rounds of fio, at most ${peak} descriptors open`
    },
  }
}

const high: Scenario<Setting> = {
  title: 'memory above 4 GiB, at an offset in its descriptor',
  async run(setting) {
    const script = `${digestDisk('sha256', '16M')}
${verifyDisk}`
    let offset = 0
    const options = { memory: '3840M', script, queues: 2, cpus: 2 }
    await runGuest(setting, options, async ({ machine, backEnd, digest }) => {
      assert.equal(await machine.line('sha256'), digest)
      offset = Math.max(...backEnd.mappings().map((mapping) => mapping.offset))
      await machine.line('verified')
    })
    assert.ok(offset >= 2 ** 31, `mmap offset ${offset}`)
    return `mmap offset 0x${offset.toString(16)}`
  },
}

const NO_SLOTS = ['--no-mem-slots']

export const scenarios: readonly Scenario<Setting>[] = [
  boot,
  readOnly,
  verify,
  trim,
  hotPlug('a DIMM comes and goes while the disk is read, a region at a time', []),
  hotPlug('a DIMM comes and goes while the disk is read, as whole tables', NO_SLOTS),
  churn('thousands of map changes under fio, a region at a time', []),
  churn('thousands of map changes under fio, as whole tables', NO_SLOTS),
  high,
]
