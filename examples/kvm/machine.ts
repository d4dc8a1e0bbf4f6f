import { closeSync } from 'node:fs'
import { constants } from 'node:os'
import type { Worker } from 'node:worker_threads'
import {
  GuestMemoryAtomic,
  GuestRegionMmap,
  Ordering,
  pageSize,
  type GuestMemoryMmap,
  type SnapshotTable,
  type StructValue,
} from '../../index.js'
import { duplicate, makeEventFd } from '../host/descriptor-calls.js'
import { signalThread } from '../host/thread-calls.js'
import type { BlockBackend } from '../machine/blk-device.js'
import type { QueuePosition } from '../virtio/device-queue.js'
import { NOTHING_DONE, type DiskCounts } from './disk-counts.js'
import type { FromDevice, ToDevice } from './device-thread.js'
import { Boot, BOOT_PAGE, DIMM_BASE, DIMM_PLUGGED, initialState, VIRTIO_MMIO } from './machine-layout.js'
import { MemorySlots } from './memory-slots.js'
import type { Threads } from './threads.js'
import { END, EXITS, isStop, VcpuControl, type Exit } from './vcpu-control.js'
import type { FromVcpu, VcpuStart } from './vcpu-thread.js'
import { QUEUE_NOTIFY, VirtioMmio } from './virtio-mmio.js'
import { Vm, type CpuState, type Vcpu } from './vm.js'

/** Takes a processor out of KVM_RUN. */
const WAKE = 'SIGUSR2'

export interface Parts {
  /** The descriptor of /dev/kvm. */
  readonly kvm: number
  readonly threads: Threads
  readonly disk: BlockBackend
  readonly memory: GuestMemoryMmap
  /** What the machine has to say: lines of the console, and why the disk has stopped a queue. */
  readonly say: (line: string) => void
  /** The program has let go of the memory that was plugged in. */
  readonly onDimmFree?: () => void
}

/** A machine that stands still, without its memory. */
export interface MachineState {
  readonly cpus: readonly CpuState[]
  /** Of the disk. */
  readonly registers: SharedArrayBuffer
  readonly position: QueuePosition | null
}

export interface SavedMachine extends MachineState {
  readonly table: SnapshotTable
  /** Bytes of memory in the file; the rest is zeros. */
  readonly written: number
}

/** A virtual machine: two processors, memory that comes and goes, and a disk. It stands still until it is told to run. */
export class Machine {
  readonly memory: GuestMemoryAtomic
  readonly slots: MemorySlots
  /** The exit codes of the programs on all processors; rejects when the machine cannot go on. */
  readonly ended: Promise<readonly number[]>
  readonly #parts: Parts
  readonly #vm: Vm
  readonly #vcpus: readonly Vcpu[]
  readonly #controls: readonly VcpuControl[]
  readonly #registers: VirtioMmio
  readonly #doorbell = makeEventFd()
  readonly #codes: number[] = []
  /** Who waits for a thread to be what it was told to be. */
  readonly #waiting = new Map<Worker, (is: string) => void>()
  readonly #gone = new Set<Worker>()
  readonly #silence: (() => void)[] = []
  /** As it was at the last stop. */
  #disk: { readonly position: QueuePosition | null; readonly counts: DiskCounts } = {
    position: null,
    counts: NOTHING_DONE,
  }
  #end: (codes: readonly number[]) => void = () => {}
  #fail: (error: Error) => void = () => {}

  /** A new machine, whose program begins at `begin`, or one that was saved. */
  static async make(parts: Parts, begin: number | MachineState): Promise<Machine> {
    // Node has to handle the signal: otherwise it would end the process.
    if (process.listenerCount(WAKE) === 0) process.on(WAKE, () => {})
    const machine = new Machine(parts, begin)
    await machine.#start(typeof begin === 'number' ? null : begin.position)
    return machine
  }

  private constructor(parts: Parts, begin: number | MachineState) {
    this.#parts = parts
    this.memory = new GuestMemoryAtomic(parts.memory)
    this.#vm = new Vm(parts.kvm)
    this.slots = new MemorySlots(this.#vm, this.memory)
    this.#registers = new VirtioMmio(typeof begin === 'number' ? parts.disk : begin.registers)
    this.#vm.setDoorbell(VIRTIO_MMIO + QUEUE_NOTIFY, this.#doorbell)
    this.#vcpus = parts.threads.vcpus.map((_, cpu) => {
      const vcpu = this.#vm.createVcpu(cpu)
      vcpu.state = typeof begin === 'number' ? initialState(vcpu.state, cpu, begin) : (begin.cpus[cpu] as CpuState)
      return vcpu
    })
    this.#controls = this.#vcpus.map(() => new VcpuControl())
    this.ended = new Promise((resolve, reject) => {
      this.#end = resolve
      this.#fail = reject
    })
    // Whoever is interested has a handler of their own.
    this.ended.catch(() => {})
  }

  async #start(position: QueuePosition | null): Promise<void> {
    const { threads, disk } = this.#parts
    const tickets = { registers: this.#registers.shared, cpus: this.#controls.map(({ shared }) => shared) }
    this.#listen(threads.device, (message: FromDevice) => {
      if ('brokenQueue' in message) this.#parts.say(`disk: the queue is broken: ${message.brokenQueue}`)
      else if (message.is === 'quiet') this.#disk = message
    })
    const start = { ...tickets, memory: this.memory.share(), disk, position, doorbell: duplicate(this.#doorbell) }
    threads.device.postMessage({ start } satisfies ToDevice)
    const stopped = threads.vcpus.map((thread, cpu) => {
      this.#listen(thread, (message: FromVcpu) => this.#hear(cpu, message))
      const { fd, run } = this.#vcpus[cpu] as Vcpu
      const control = this.#controls[cpu] as VcpuControl
      this.#halt(cpu)
      const memory = this.#parts.memory.share()
      const { shared: registers } = this.#registers
      const start: VcpuStart = { cpu, fd, run, control: control.shared, registers, doorbell: this.#doorbell, memory }
      thread.postMessage(start)
      return this.#until(thread, 'stopped')
    })
    await Promise.all(stopped)
  }

  #listen<T extends FromVcpu | FromDevice>(thread: Worker, hear: (message: T) => void): void {
    const onMessage = (message: T): void => {
      hear(message)
      if ('is' in message) this.#pass(thread, message.is)
    }
    const onError = (error: unknown): void => {
      this.#fail(error as Error)
      this.#pass(thread, 'ended')
    }
    thread.on('message', onMessage).on('error', onError)
    this.#silence.push(() => thread.off('message', onMessage).off('error', onError))
  }

  #pass(thread: Worker, is: string): void {
    if (is === 'ended') this.#gone.add(thread)
    this.#waiting.get(thread)?.(is)
  }

  #hear(cpu: number, message: FromVcpu): void {
    if ('line' in message) this.#parts.say(`cpu ${cpu}: ${message.line}`)
    else if ('dimm' in message) this.#parts.onDimmFree?.()
    else if ('failed' in message) this.#fail(new Error(message.failed))
    else if ('left' in message) {
      this.#codes[cpu] = message.left
      if (Object.keys(this.#codes).length === this.#vcpus.length) this.#end(this.#codes)
    }
  }

  /** Resolves when a thread is what it was told to be, or has ended. */
  #until(thread: Worker, wanted: 'stopped' | 'quiet' | 'ended'): Promise<void> {
    return new Promise((resolve) => {
      if (this.#gone.has(thread)) return resolve()
      this.#waiting.set(thread, (is) => {
        if (is === wanted || is === 'ended') resolve()
      })
    })
  }

  /** Has KVM_RUN end what it has begun and return, or return at once, and whoever waits for an interrupt go there. */
  #halt(cpu: number): void {
    const control = this.#controls[cpu] as VcpuControl
    if (!isStop(control.turn)) control.turn++
    ;(this.#vcpus[cpu] as Vcpu).immediateExit = true
    control.interrupt()
  }

  /** Lets the processors run. */
  resume(): void {
    for (const [cpu, control] of this.#controls.entries()) {
      ;(this.#vcpus[cpu] as Vcpu).immediateExit = false
      if (isStop(control.turn)) control.turn++
    }
  }

  /** Stops the processors, and has the disk do what was asked of it: nobody writes to the memory any more. */
  async stop(): Promise<void> {
    const { vcpus, device } = this.#parts.threads
    const running = vcpus.filter((_, cpu) => !isStop((this.#controls[cpu] as VcpuControl).turn))
    const stopped = running.map((thread) => this.#until(thread, 'stopped'))
    for (const [cpu, control] of this.#controls.entries()) {
      this.#halt(cpu)
      signalThread(control.thread, constants.signals[WAKE])
    }
    await Promise.all(stopped)
    const quiet = this.#until(device, 'quiet')
    device.postMessage('quiesce' satisfies ToDevice)
    await quiet
  }

  /** Saves a machine that stands still. */
  async save(fd: number): Promise<SavedMachine> {
    using memory = this.memory.memory()
    const { table, written } = await memory.save(fd)
    const registers = this.#registers.shared.slice(0)
    return { table, written, cpus: this.#vcpus.map(({ state }) => state), registers, position: this.#disk.position }
  }

  /** What the program and the monitor tell each other. */
  get boot(): StructValue<typeof Boot.fields> {
    using memory = this.memory.memory()
    return memory.readObj(Boot, BOOT_PAGE)
  }

  /** Whether there is memory at a page, by its number. */
  hasPage(page: number): boolean {
    using memory = this.memory.memory()
    return memory.addressInRange(page * pageSize())
  }

  get dimm(): GuestRegionMmap | null {
    using memory = this.memory.memory()
    return memory.findRegion(DIMM_BASE)
  }

  /** Plugs memory in, and tells the program. */
  plug(size: number): void {
    const dimm = GuestRegionMmap.fromRange(DIMM_BASE, size, null, { bitmap: true })
    this.memory.update((map) => map.insertRegion(dimm))
    using memory = this.memory.memory()
    memory.writeU64(DIMM_BASE, BOOT_PAGE + Boot.offsets.dimm)
    memory.writeU64(size, BOOT_PAGE + Boot.offsets.dimmBytes)
    memory.store('u32', DIMM_PLUGGED, BOOT_PAGE + Boot.offsets.dimmState, Ordering.Release)
  }

  /** Takes the memory out, of which the program has let go; it is given back when the disk has, too. */
  async unplug(): Promise<void> {
    const { dimm } = this
    if (dimm === null) throw new Error('no memory is plugged in')
    this.memory.update((map) => map.removeRegion(dimm.startAddr, dimm.size)[0])
    await this.memory.synchronize()
    dimm.release()
  }

  /** What the disk has done until the last stop. */
  get diskCounts(): DiskCounts {
    return this.#disk.counts
  }

  /** How often each processor has left the guest, and for what. */
  get exits(): Record<Exit, number>[] {
    return this.#controls.map((control) => {
      return Object.fromEntries(EXITS.map((exit) => [exit, control.counted(exit)])) as Record<Exit, number>
    })
  }

  /** Gives everything back, the threads to the next machine. */
  async close(): Promise<void> {
    const { vcpus, device } = this.#parts.threads
    await this.stop()
    const ended = [...vcpus, device].map((thread) => this.#until(thread, 'ended'))
    for (const control of this.#controls) control.turn = END
    device.postMessage('end' satisfies ToDevice)
    await Promise.all(ended)
    for (const silence of this.#silence) silence()
    this.slots.close()
    for (const vcpu of this.#vcpus) vcpu.close()
    this.#vm.close()
    closeSync(this.#doorbell)
    for (const region of this.memory.memory().intoInner()) region.release()
  }
}
