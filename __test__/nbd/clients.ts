// What NBD clients of others are to do on the server of examples/nbd, and what is to be found afterwards.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Packages } from '../qemu/packages.js'
import type { Scenario } from '../scenario.js'
import { NbdServer } from './server.js'

export interface Setting {
  readonly packages: Packages
  readonly folder: string
}

const MIB = 2 ** 20
const SIZE = 64 * MIB
const session = fileURLToPath(new URL('session.py', import.meta.url))

interface Run {
  readonly server: NbdServer
  /** Runs a program in the folder, with the server's address as `$uri`, and returns what it prints. */
  call(program: string, ...args: string[]): Promise<string>
  /** Writes a file of the export's size with random bytes into the folder, and returns its path. */
  image(name: string): string
  readonly setting: Setting
}

/** Makes a scenario with a server of its own, which must have nothing left of it, and nothing to complain of. */
function scenario(title: string, during: (run: Run) => Promise<string | void>): Scenario<Setting> {
  return {
    title,
    async run(setting) {
      const { packages, folder } = setting
      const server = await NbdServer.start()
      const call = async (program: string, ...args: string[]): Promise<string> => {
        const env = { ...packages.environment, uri: server.uri }
        const options = { cwd: folder, env, timeout: 120_000, maxBuffer: 2 ** 26 }
        return (await promisify(execFile)(packages.program(program), args, options)).stdout
      }
      const image = (name: string): string => {
        const file = path.join(folder, name)
        fs.writeFileSync(file, randomFillSync(Buffer.alloc(SIZE)))
        return file
      }
      try {
        const descriptors = server.openDescriptors()
        const told = await during({ server, call, image, setting })
        await server.until(() => server.openDescriptors() <= descriptors)
        assert.equal(await server.stop(), 0)
        assert.deepEqual(server.logged, [])
        return [told ?? '', server.printed.at(-1)].filter((text) => text !== '').join('; ')
      } finally {
        server.kill()
      }
    },
  }
}

const assertSame = (file: string, other: string): void =>
  assert.ok(fs.readFileSync(file).equals(fs.readFileSync(other)), `${file} and ${other} differ`)

const nbdinfo = scenario('nbdinfo lists the export, and is told of unknown ones', async ({ server, call }) => {
  for (const args of [['--json'], ['--json', '--list']]) {
    const { protocol, exports } = JSON.parse(await call('nbdinfo', ...args, server.uri)) as {
      protocol: string
      exports: Record<string, unknown>[]
    }
    assert.equal(protocol, 'newstyle-fixed')
    const [exported = {}, ...others] = exports
    assert.deepEqual(others, [])
    const expected = {
      'export-name': 'memory',
      'export-size': SIZE,
      is_rotational: false,
      is_read_only: false,
      can_cache: false,
      can_df: true,
      can_fast_zero: false,
      can_flush: true,
      can_fua: true,
      can_multi_conn: true,
      can_trim: true,
      can_zero: true,
      block_size_minimum: 1,
      block_size_preferred: 4096,
      block_size_maximum: 32 * MIB,
    }
    for (const [field, value] of Object.entries(expected)) assert.equal(exported[field], value, field)
  }
  await assert.rejects(
    call('nbdinfo', server.uri.replace('///', '///disk')),
    /No such file or directory for export: disk/,
  )
})

const nbdsh = scenario("libnbd's options and requests, and those that it would rather not send", async ({ call }) => {
  assert.equal(await call('nbdsh', '-n', '-c', `exec(open(${JSON.stringify(session)}).read())`), 'content\n')
})

const nbdcopy = scenario('nbdcopy there and back, by several connections', async ({ server, call, image, setting }) => {
  const source = image('source.img')
  const copy = path.join(setting.folder, 'copy.img')
  await call('nbdcopy', '--connections=4', '--requests=64', '--flush', source, server.uri)
  await call('nbdcopy', '--connections=4', server.uri, copy)
  assertSame(source, copy)
  // Zeros are sent as NBD_CMD_WRITE_ZEROES, or as NBD_CMD_TRIM.
  fs.writeFileSync(source, Buffer.alloc(SIZE))
  await call('nbdcopy', source, server.uri)
  assert.equal(server.guestMemory(), 0, 'zeros take no memory')
  await call('nbdcopy', '--synchronous', server.uri, copy)
  assertSame(source, copy)
})

const holes = scenario(
  'nbdinfo --map and qemu-img map tell data from holes, and copies leave holes out',
  async ({ server, call, setting }) => {
    const source = path.join(setting.folder, 'sparse.img')
    const copy = path.join(setting.folder, 'sparse-copy.img')
    const data = [
      [0, 64 * 1024],
      [7 * MIB, 2 * MIB],
      [SIZE - MIB, MIB],
    ] as const
    fs.rmSync(copy, { force: true })
    const fd = fs.openSync(source, 'w')
    fs.ftruncateSync(fd, SIZE)
    for (const [offset, length] of data) fs.writeSync(fd, randomFillSync(Buffer.alloc(length)), 0, length, offset)
    fs.closeSync(fd)
    await call('nbdcopy', source, server.uri)

    const map = JSON.parse(await call('nbdinfo', '--map', '--json', server.uri)) as {
      offset: number
      length: number
      type: number
    }[]
    assert.deepEqual(
      map.filter(({ type }) => type === 0).map(({ offset, length }) => [offset, length]),
      data,
    )
    assert.equal(
      map.reduce((sum, { length }) => sum + length, 0),
      SIZE,
    )
    const qemuMap = JSON.parse(
      await call('qemu-img', 'map', '-f', 'raw', '--output=json', `nbd:unix:${server.socket}`),
    ) as { start: number; length: number; data: boolean; zero: boolean }[]
    assert.deepEqual(
      qemuMap.filter(({ data, zero }) => data && !zero).map(({ start, length }) => [start, length]),
      data,
    )

    const length = data.reduce((sum, [, each]) => sum + each, 0)
    await call('nbdcopy', '--connections=4', server.uri, copy)
    assertSame(source, copy)
    assert.equal(fs.statSync(copy).blocks * 512, length, 'the copy has the same holes')
    await call('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', `nbd:unix:${server.socket}`, copy)
    assertSame(source, copy)
    assert.equal(server.guestMemory(), length, 'and nobody took memory by reading holes')
    return `${length / MIB} of ${SIZE / MIB} MiB copied`
  },
)

const nbdkit = scenario(
  'nbdkit hands requests on, to one server from another',
  async ({ server, call, image, setting }) => {
    const source = image('source.img')
    const copy = path.join(setting.folder, 'copy.img')
    const plugin = (name: string): string => setting.packages.nbdkitPlugin(name)
    const proxy = ['-U', '-', plugin('nbd'), `socket=${server.socket}`, 'shared=true', '--run']
    await call('nbdkit', ...proxy, `nbdcopy '${source}' "$uri" && nbdinfo --size "$uri"`)
    await call('nbdkit', ...proxy, `nbdcopy "$uri" '${copy}'`)
    assertSame(source, copy)
    const pattern = ['-U', '-', plugin('pattern'), `size=${SIZE}`, '--run']
    await call('nbdkit', ...pattern, `nbdcopy "$uri" '${server.uri}' && nbdcopy "$uri" '${source}'`)
    await call('nbdcopy', server.uri, copy)
    assertSame(source, copy)
  },
)

const qemuIo = scenario('qemu-io writes, zeroes, discards and reads by patterns', async ({ server, call }) => {
  const io = (...commands: string[]): Promise<string> =>
    call(
      'qemu-io',
      '-f',
      'raw',
      '-d',
      'unmap',
      `nbd:unix:${server.socket}`,
      ...commands.flatMap((each) => ['-c', each]),
    )
  await io(
    'write -P 0x5a 7M 2M',
    'read -P 0x5a 7M 2M',
    'write -f -P 0x33 8M 512',
    'read -P 0x33 8M 512',
    'write -z 8M 64k',
    'read -P 0 8M 64k',
    'write -z -u 7M 4k',
    'read -P 0 7M 4k',
    'write -z -f -u 0 64M',
    'write -P 0x11 63M 1M',
    'discard 1M 32M',
    'flush',
    'read -P 0x11 63M 1M',
    'aio_write -P 0x77 0 4M',
    'aio_write -P 0x78 4M 4M',
    'aio_flush',
    'read -P 0x78 4M 4M',
  )
  // What is read back must be what was written: qemu-io fails otherwise.
  await assert.rejects(io('read -P 0x5a 4M 512'))
})

const qemuImg = scenario('qemu-img converts there and back, and compares', async ({ server, call, image, setting }) => {
  const source = image('source.img')
  const copy = path.join(setting.folder, 'copy.img')
  const uri = `nbd:unix:${server.socket}`
  const { 'virtual-size': size } = JSON.parse(await call('qemu-img', 'info', '--output=json', uri)) as {
    'virtual-size': number
  }
  assert.equal(size, SIZE)
  await call('qemu-img', 'convert', '-n', '-W', '-m', '8', '-f', 'raw', '-O', 'raw', source, uri)
  await call('qemu-img', 'compare', '-f', 'raw', '-F', 'raw', source, uri)
  await call('qemu-img', 'convert', '-f', 'raw', '-O', 'raw', uri, copy)
  assertSame(source, copy)
})

const fio = scenario('fio verifies what it has written at random, and trims', async ({ server, call }) => {
  const job = ['--name=verify', '--ioengine=nbd', `--uri=${server.uri}`, '--size=64M', '--output-format=terse']
  const verify = ['--verify=crc32c', '--verify_fatal=1']
  await call('fio', ...job, '--rw=randrw', '--bsrange=512-64k', '--iodepth=8', '--loops=2', ...verify)
  await call('fio', ...job, '--rw=randtrimwrite', '--bs=64k', '--iodepth=16', '--io_size=64M')
  const parts = ['--size=16M', '--offset_increment=16M', '--numjobs=4', '--thread']
  await call('fio', ...job, ...parts, '--rw=randwrite', '--bs=4k', '--iodepth=16', '--fsync=16', ...verify)
})

export const scenarios: readonly Scenario<Setting>[] = [nbdinfo, nbdsh, nbdcopy, holes, nbdkit, qemuIo, qemuImg, fio]
