// What guests are to go through, and what is to be found afterwards.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { Scenario } from '../scenario.js'
import { digestDisk, IMAGE_SIZE, MIB, NO_SLOTS, runGuest, verifyDisk, type Setting } from './guest.js'

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

export const scenarios: readonly Scenario<Setting>[] = [
  boot,
  readOnly,
  verify,
  trim,
  hotPlug('a DIMM comes and goes while the disk is read, a region at a time', []),
  hotPlug('a DIMM comes and goes while the disk is read, as whole tables', NO_SLOTS),
  high,
]
