// A guest on a fresh image and a device of its own, and the commands that it runs.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { createHash, randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BackEnd } from './back-end.js'
import type { Packages } from './packages.js'
import { VirtualMachine, type Machine } from './virtual-machine.js'

export interface Setting {
  readonly packages: Packages
  readonly folder: string
  readonly base: string
}

export const MIB = 2 ** 20
export const IMAGE_SIZE = 32 * MIB

/** An option of the device: changes of the map come as whole tables. */
export const NO_SLOTS = ['--no-mem-slots']

/** Reads the whole disk around all caches, and prints its digest behind a word. */
export const digestDisk = (word: string, blockSize: string): string =>
  `echo "@${word} $(dd if=/dev/vda bs=${blockSize} iflag=direct 2>/dev/null | sha256sum | cut -d' ' -f1)"`

/** Two jobs that write, read and verify on their own halves of the disk. */
export const verifyDisk = `fio --name=verify --filename=/dev/vda --size=${IMAGE_SIZE / 2} --offset_increment=${IMAGE_SIZE / 2} --numjobs=2 --thread \\
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
export async function runGuest(
  setting: Setting,
  options: RunOptions,
  during: (run: Run) => Promise<void>,
): Promise<number> {
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
export async function eventually(check: () => void, milliseconds = 2000): Promise<void> {
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
