// The memory of a guest that stands still, saved and looked at with this package.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { FileOffset, GuestMemoryMmap, pageSize } from '../../index.js'
import type { Scenario } from '../scenario.js'
import { BackEnd } from './back-end.js'
import { digestDisk, MIB, runGuest, type Setting } from './guest.js'

const MEGABYTES = 512

/** `/proc/version` is the kernel's banner; where its constants lie, it says itself. */
const script = `echo "@banner $(cat /proc/version)"
sed -n 's/^ *\\([0-9a-f]*\\)-\\([0-9a-f]*\\) : Kernel rodata$/@constants \\1 \\2/p' /proc/iomem
echo @ready
read line
${digestDisk('sha256', '1M')}`

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(fs.createReadStream(file, { highWaterMark: MIB }), hash)
  return hash.digest('hex')
}

/** The pages of a file that are not zeros, joined where they touch: what a snapshot is to have. Reads all of it. */
function dataOf(file: string): [addr: bigint, count: number][] {
  const page = pageSize()
  const ranges: [bigint, number][] = []
  const zeros = Buffer.alloc(page)
  const bytes = Buffer.alloc(MIB)
  const fd = fs.openSync(file, 'r')
  try {
    for (let at = 0, count; (count = fs.readSync(fd, bytes, 0, MIB, at)) > 0; at += count) {
      for (let offset = 0; offset < count; offset += page) {
        if (bytes.subarray(offset, offset + page).equals(zeros)) continue
        const last = ranges.at(-1)
        if (last !== undefined && last[0] + BigInt(last[1]) === BigInt(at + offset)) last[1] += page
        else ranges.push([BigInt(at + offset), page])
      }
    }
  } finally {
    fs.closeSync(fd)
  }
  return ranges
}

/** What examples/snapshot finds in a file: the guest addresses of a text, and how many bytes of data there are. */
async function inspected(file: string, text: string): Promise<{ at: bigint[]; data: number }> {
  const inspector = BackEnd.run('snapshot', ['inspect', file, '--find', text, '--json'])
  assert.equal(await inspector.exited, 0, inspector.lines.join('\n'))
  const { regions, found } = JSON.parse(inspector.lines.join('')) as {
    regions: { data: number }[]
    found: { addr: string; text: string }[]
  }
  assert.ok(found.every((place) => place.text.startsWith(text)))
  return { at: found.map(({ addr }) => BigInt(addr)), data: regions.reduce((all, { data }) => all + data, 0) }
}

const sum = (ranges: readonly (readonly [bigint, number])[]): number =>
  ranges.reduce((all, [, count]) => all + count, 0)

async function save(memoryFile: string, snapshot: string, banner: string): Promise<{ at: bigint[]; told: string }> {
  const [from, to] = [fs.openSync(memoryFile, 'r+'), fs.openSync(snapshot, 'w+')]
  try {
    // On `pc`, RAM below 3.5 GiB has the addresses that its bytes have in the file.
    using file = new FileOffset(from, 0)
    const memory = GuestMemoryMmap.fromRanges([[0, MEGABYTES * MIB, file]])
    const inUse = sum(memory.dataRanges())
    const begun = performance.now()
    const { table, written } = await memory.save(to)
    const milliseconds = Math.round(performance.now() - begun)
    for (const region of memory) region.release()

    const data = dataOf(memoryFile)
    assert.equal(written, sum(data))
    assert.ok(written <= inUse, `${written} bytes of ${inUse}`)
    assert.equal(await digestOf(snapshot), await digestOf(memoryFile))
    const restored = GuestMemoryMmap.fromSnapshot(to, table)
    assert.deepEqual(restored.dataRanges(), data)
    for (const region of restored) region.release()
    const { at, data: stored } = await inspected(snapshot, banner)
    assert.equal(stored, written)
    const sizes = [written, inUse].map((bytes) => `${(bytes / MIB).toFixed(1)} MiB`)
    return { at, told: `${sizes.join(' of ')} saved in ${milliseconds} ms, in ${data.length} ranges` }
  } finally {
    for (const fd of [from, to]) fs.closeSync(fd)
  }
}

export const savedMemory: Scenario<Setting> = {
  title: 'the memory of a stopped guest is saved, and has its kernel in it',
  async run(setting) {
    const [memoryFile, snapshot] = ['saved.ram', 'saved.snapshot'].map((name) => path.join(setting.folder, name)) as [
      string,
      string,
    ]
    let told = ''
    try {
      await runGuest(setting, { memory: `${MEGABYTES}M`, memoryFile, script }, async ({ machine, digest }) => {
        await machine.line('ready')
        const banner = await machine.line('banner')
        const [first = 0n, last = 0n] = (await machine.line('constants')).split(' ').map((each) => BigInt(`0x${each}`))
        await machine.command('stop')
        const found = await save(memoryFile, snapshot, banner)
        await machine.command('cont')
        machine.say('go')
        assert.equal(await machine.line('sha256'), digest)
        // The console's log and processes have it as well.
        const kernels = found.at.filter((addr) => addr >= first && addr <= last)
        assert.ok(kernels.length > 0, `${found.at.join(' ')} are not in ${first} to ${last}`)
        const addresses = kernels.map((addr) => `0x${addr.toString(16)}`)
        told = `${found.told}; "${banner.slice(0, 40)}…" at ${addresses.join(' and ')} of ${found.at.length} places`
      })
    } finally {
      for (const file of [memoryFile, snapshot]) fs.rmSync(file, { force: true })
    }
    return told
  },
}
