// QEMU with a guest, its console and its monitor.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeInitramfs } from './initramfs.js'
import type { Packages } from './packages.js'

export interface Machine {
  readonly packages: Packages
  /** For the files of this run. */
  readonly folder: string
  readonly base: string
  /** Where the back-end listens. */
  readonly socket: string
  readonly memory: string
  /** A file for the memory to lie in, instead of a memfd. */
  readonly memoryFile?: string
  /** Of `-m`, when memory can be plugged. */
  readonly memoryOptions?: string
  readonly queues?: number
  readonly cpus?: number
  /**
   * By default the vCPUs take turns: with a thread for each, QEMU 7.2 itself is unstable while its memory map changes.
   */
  readonly threads?: 'single' | 'multi'
  /** Whether QEMU connects again, a second after a back-end has gone. */
  readonly reconnects?: boolean
  /** Waits for a guest that moves here, and starts none. */
  readonly incoming?: boolean
  readonly extra?: readonly string[]
  /** Shell commands; what is to be asserted is printed in lines that begin with `@`. */
  readonly script: string
  /** Seconds. */
  readonly timeout: number
}

/** The script says that something has failed: a line that begins with `@fail`. */
export class GuestError extends Error {
  override readonly name = 'GuestError'
}

/** A machine that runs. */
export class VirtualMachine {
  /** The lines that the script printed for the test, without their `@`. */
  readonly lines: string[] = []
  static #machines = 0
  readonly #process: ChildProcess
  readonly #console: string[] = []
  readonly #exited: Promise<void>
  readonly #initramfs: string
  readonly #monitorPath: string
  readonly #timer: NodeJS.Timeout
  #monitor: Monitor | null = null
  #timedOut = false

  constructor(machine: Machine) {
    const { packages, folder, memory, memoryFile, queues = 1, cpus = 1, extra = [] } = machine
    const number = VirtualMachine.#machines++
    this.#initramfs = path.join(folder, `initramfs-${number}`)
    makeInitramfs(machine.base, machine.script, this.#initramfs)
    this.#monitorPath = path.join(folder, `qmp-${number}.sock`)
    const backend = memoryFile === undefined ? 'memory-backend-memfd' : `memory-backend-file,mem-path=${memoryFile}`
    const args = [
      ...packages.firmware.flatMap((each) => ['-L', each]),
      '-nodefaults',
      '-no-user-config',
      '-display',
      'none',
      '-no-reboot',
      '-M',
      'pc,memory-backend=mem0',
      '-accel',
      `tcg,thread=${machine.threads ?? 'single'}`,
      '-smp',
      String(cpus),
      '-object',
      `${backend},id=mem0,size=${memory},share=on`,
      '-m',
      `${memory}${machine.memoryOptions ?? ''}`,
      '-kernel',
      packages.kernel,
      '-initrd',
      this.#initramfs,
      '-append',
      'console=ttyS0 panic=-1 quiet',
      '-chardev',
      'stdio,id=console,signal=off',
      '-serial',
      'chardev:console',
      '-qmp',
      `unix:${this.#monitorPath},server=on,wait=off`,
      '-chardev',
      `socket,id=disk,path=${machine.socket}${machine.reconnects ? ',reconnect=1' : ''}`,
      '-device',
      `vhost-user-blk-pci,chardev=disk,num-queues=${queues}`,
      ...(machine.incoming ? ['-incoming', 'defer'] : []),
      ...extra,
    ]
    this.#process = spawn(packages.program('qemu-system-x86_64'), args, {
      env: packages.environment,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream })
    lines.on('line', (line) => {
      this.#console.push(line)
      if (line.startsWith('@')) this.lines.push(line.slice(1).trim())
    })
    this.#process.stderr?.on('data', (text: Buffer) => this.#console.push(String(text)))
    this.#exited = new Promise((resolve, reject) => {
      this.#process.once('error', reject)
      lines.once('close', resolve)
    })
    this.#timer = setTimeout(() => {
      this.#timedOut = true
      this.#process.kill('SIGKILL')
    }, machine.timeout * 1000)
  }

  get console(): string {
    return this.#console.join('\n')
  }

  get pid(): number {
    return this.#process.pid as number
  }

  /** The signal that has ended QEMU, once it is gone; null if it was none. */
  async endedBy(): Promise<NodeJS.Signals | null> {
    await this.#exited
    const { exitCode, signalCode } = this.#process
    if (exitCode === null && signalCode === null) await once(this.#process, 'exit')
    return this.#process.signalCode
  }

  /** The rest of the first line that begins with `word`, and is `wanted`, once it is there. Throws `GuestError`. */
  async line(word: string, wanted: (rest: string) => boolean = () => true): Promise<string> {
    for (;;) {
      if (this.lines.some((each) => each.startsWith('fail'))) throw new GuestError(this.#failures())
      for (const line of this.lines) {
        const rest = line.slice(word.length + 1)
        if ((line === word || line.startsWith(`${word} `)) && wanted(rest)) return rest
      }
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
        throw new Error(`the guest never said ${word}\n${this.console}`)
      }
      await sleep(5)
    }
  }

  /** A line for the script to read. */
  say(line: string): void {
    this.#process.stdin?.write(`${line}\n`)
  }

  /** A command of the monitor. */
  async command(execute: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#monitor ??= await this.#openMonitor()
    return this.#monitor.command(execute, args)
  }

  /** QEMU listens a moment after it has started. */
  async #openMonitor(): Promise<Monitor> {
    for (;;) {
      try {
        return await Monitor.open(this.#monitorPath)
      } catch (error) {
        if (this.#process.exitCode !== null || this.#process.signalCode !== null) {
          throw new Error(`QEMU has ended\n${this.console}`, { cause: error })
        }
        await sleep(5)
      }
    }
  }

  /** Until the guest has switched itself off, having said that it came to its end. */
  async end(): Promise<void> {
    await this.#exited
    this.kill()
    if (this.#timedOut) throw new Error(`the guest took too long\n${this.console}`)
    if (!this.lines.includes('end')) throw new Error(`the guest did not come to its end\n${this.console}`)
    if (this.lines.some((line) => line.startsWith('fail'))) throw new GuestError(this.#failures())
  }

  #failures(): string {
    return [...this.lines.filter((line) => line.startsWith('fail')), this.console].join('\n')
  }

  kill(): void {
    clearTimeout(this.#timer)
    this.#monitor?.close()
    this.#process.kill('SIGKILL')
    fs.rmSync(this.#initramfs, { force: true })
  }
}

/** QEMU's machine protocol: one command at a time. */
class Monitor {
  readonly #socket: Socket
  readonly #lines: AsyncIterator<string>

  constructor(socket: Socket) {
    this.#socket = socket
    const lines = createInterface({ input: socket })
    this.#lines = lines[Symbol.asyncIterator]()
    // Not by itself when QEMU is gone all of a sudden.
    socket.once('close', () => lines.close())
  }

  static async open(file: string): Promise<Monitor> {
    const socket = connect(file)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    const monitor = new Monitor(socket)
    await monitor.#lines.next()
    await monitor.command('qmp_capabilities', {})
    return monitor
  }

  async command(execute: string, args: Readonly<Record<string, unknown>>): Promise<unknown> {
    this.#socket.write(JSON.stringify({ execute, arguments: args }))
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done) throw new Error(`QEMU went away during ${execute}`)
      const answer = JSON.parse(value) as { return?: unknown; error?: { desc: string } }
      if (answer.error !== undefined) throw new Error(`${execute}: ${answer.error.desc}`)
      if ('return' in answer) return answer.return
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}
