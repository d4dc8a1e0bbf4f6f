// The program of examples/nbd, started as people start it: where it listens, and where it must not.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

import { Client, OPT, REP, infoData } from './nbd/client.js'

const MAIN = fileURLToPath(new URL('../examples/nbd/main.ts', import.meta.url))

// Guest memory lies on a memfd, which other systems do not have.
const testOnLinux = process.platform === 'linux' ? test.serial : test.serial.skip

function makeFolder(t: ExecutionContext): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-nbd-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

interface Program {
  readonly process: ChildProcess
  /** The first line of either output. */
  readonly line: string
}

/** Starts the program in a folder, and resolves when it has printed something. */
async function start(t: ExecutionContext, cwd: string, ...args: readonly string[]): Promise<Program> {
  const command = ['--import', import.meta.resolve('tsx'), MAIN, ...args]
  const process = spawn(globalThis.process.execPath, command, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => process.kill('SIGKILL'))
  const outputs = [process.stdout, process.stderr] as const
  const lines = outputs.map((input: Readable) => once(createInterface({ input }), 'line'))
  const [line] = (await Promise.race(lines)) as [string]
  return { process, line }
}

async function exitCode({ process }: Program): Promise<number | null> {
  if (process.exitCode === null && process.signalCode === null) await once(process, 'exit')
  return process.exitCode
}

async function isServed(socket: string): Promise<boolean> {
  const client = await Client.negotiating(socket)
  const replies = await client.option(OPT.GO, infoData())
  client.close()
  return replies.at(-1)?.type === REP.ACK
}

testOnLinux('a number is the name of a socket as well, and the address is one that clients understand', async (t) => {
  const folder = makeFolder(t)
  for (const [name, address] of [
    ['10809', '10809'],
    ['0x1', '0x1'],
    ['a name & more?.sock', 'a%20name%20%26%20more%3F.sock'],
    [`${folder}/100%.sock`, `${folder}/100%25.sock`],
  ] as const) {
    const program = await start(t, folder, name)
    t.is(program.line, `serving 64 MiB of guest memory at nbd+unix:///?socket=${address}`)
    t.true(await isServed(path.resolve(folder, name)))
    program.process.kill('SIGTERM')
    t.is(await exitCode(program), 0)
    t.deepEqual(fs.readdirSync(folder), [])
  }
})

testOnLinux('a socket that cannot be made is refused, with one line and exit code 2', async (t) => {
  const folder = makeFolder(t)
  for (const [name, reason] of [
    ['', "a socket's path is not empty"],
    ['x'.repeat(108), `${'x'.repeat(108)}: a socket's path has at most 107 bytes`],
  ] as const) {
    const program = await start(t, folder, name)
    t.is(program.line, `nbd: ${reason}`)
    t.is(await exitCode(program), 2)
    t.deepEqual(fs.readdirSync(folder), [])
  }
})

testOnLinux('a socket is taken over from a server that was killed, and from no other', async (t) => {
  const folder = makeFolder(t)
  const socket = path.join(folder, 'nbd.sock')
  const killed = await start(t, folder, socket)
  killed.process.kill('SIGKILL')
  t.is(await exitCode(killed), null)
  t.true(fs.existsSync(socket))
  const next = await start(t, folder, socket)
  t.regex(next.line, /^serving/)
  const second = await start(t, folder, socket)
  t.is(second.line, `nbd: ${socket}: somebody listens here already`)
  t.is(await exitCode(second), 2)
  t.true(await isServed(socket))
})
