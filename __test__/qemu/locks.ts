// QEMU's programs and the vhost-user-blk device on one image.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { BackEnd } from './back-end.js'
import type { Scenario } from '../scenario.js'
import type { Setting } from './guest.js'

const LOCKED = /Failed to get "write" lock/

export const locks: Scenario<Setting> = {
  title: 'QEMU and this device keep each other off an image',
  async run({ packages, folder }) {
    const image = path.join(folder, 'locked.img')
    fs.writeFileSync(image, new Uint8Array(2 ** 20))
    const call = (program: string, ...args: string[]): Promise<unknown> =>
      promisify(execFile)(packages.program(program), args, { env: packages.environment, timeout: 20_000 })
    const resize = (): Promise<unknown> => call('qemu-img', 'resize', '-f', 'raw', image, '2M')
    const look = (): Promise<unknown> => call('qemu-img', 'info', '-f', 'raw', image)
    const write = (): Promise<unknown> => call('qemu-io', '-f', 'raw', '-c', 'write 0 512', image)
    const start = (...options: string[]): Promise<BackEnd> =>
      BackEnd.start('vhost-user-blk', [...options, image, path.join(folder, 'locked.sock')])

    const writer = await start()
    await assert.rejects(resize(), LOCKED)
    await assert.rejects(write(), LOCKED)
    // That is allowed by the rules of QEMU, which does not keep readers off raw images.
    await look()
    await writer.kill()

    const reader = await start('--read-only')
    await assert.rejects(resize(), LOCKED)
    await assert.rejects(write(), LOCKED)
    assert.equal(await reader.stop(), 0)
    await write()

    const socket = path.join(folder, 'daemon.sock')
    const daemon = new BackEnd(
      packages.program('qemu-storage-daemon'),
      [
        '--blockdev',
        `driver=file,filename=${image},node-name=disk`,
        '--export',
        `type=vhost-user-blk,id=export,node-name=disk,addr.type=unix,addr.path=${socket},writable=on`,
      ],
      packages.environment,
    )
    try {
      while (!fs.existsSync(socket)) await sleep(10)
      for (const options of [[], ['--read-only']]) await assert.rejects(start(...options), /is in use/)
    } finally {
      await daemon.kill()
    }
    await (await start()).stop()
    return ''
  },
}
