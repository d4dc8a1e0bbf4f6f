/** The thread of a processor: it runs the guest, and does what the guest wants of the machine. */
import { constants } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { GuestMemoryMmap, type SharedMemory } from '../../index.js'
import { tryIoctl } from '../host/device-calls.js'
import { signal } from '../host/event-fd.js'
import { threadId } from '../host/thread-calls.js'
import * as kvm from './kvm-calls.js'
import { BOARD, BoardRegister, consolePage, VIRTIO_MMIO } from './machine-layout.js'
import { END, isStop, VcpuControl } from './vcpu-control.js'
import { VIRTIO_MMIO_SIZE, VirtioMmio } from './virtio-mmio.js'
import { wrapRun, type RunMapping } from './vm.js'

export interface VcpuStart {
  readonly cpu: number
  readonly fd: number
  readonly run: RunMapping
  readonly control: SharedArrayBuffer
  /** Of the disk. */
  readonly registers: SharedArrayBuffer
  readonly doorbell: number
  /** No `GuestMemoryAtomic`: a thread that sleeps in KVM_RUN would keep old maps. The console is in memory that is always there. */
  readonly memory: SharedMemory<'GuestMemoryMmap'>
}

export type FromVcpu =
  /** Does not run, and what it had begun is done. */
  | { readonly is: 'stopped' }
  | { readonly is: 'ended' }
  | { readonly line: string }
  /** The program has let go of the memory that was plugged in. */
  | { readonly dimm: 'free' }
  /** The program on this processor has come to its end. */
  | { readonly left: number }
  | { readonly failed: string }

if (parentPort === null) throw new Error('this is the module of a worker thread')
const port = parentPort
const post = (message: FromVcpu): void => port.postMessage(message)

port.on('message', (start: VcpuStart) => {
  const failure = run(start)
  if (failure !== null) post({ failed: failure })
  post({ is: 'ended' })
})

/** Runs until it is told to end; returns what the machine cannot go on for. */
function run(start: VcpuStart): string | null {
  const { cpu, fd, doorbell } = start
  const exit = wrapRun(start.run)
  const control = new VcpuControl(start.control)
  const disk = new VirtioMmio(start.registers)
  const memory = GuestMemoryMmap.fromShared(start.memory)
  control.thread = threadId()
  const ring = (): void => signal(doorbell)

  const printLine = (length: number): void => {
    const text = Buffer.alloc(Math.min(length, 4096))
    memory.readSlice(text, consolePage(cpu))
    post({ line: text.toString('latin1') })
  }

  const storeToBoard = (register: number, value: number): boolean => {
    control.count(register === BoardRegister.halt ? 'halts' : register === BoardRegister.console ? 'lines' : 'others')
    const { turn } = control
    switch (register) {
      case BoardRegister.halt:
        control.waitForInterrupt()
        return true
      case BoardRegister.console:
        printLine(value)
        return true
      case BoardRegister.dimm:
        post({ dimm: 'free' })
        return true
      case BoardRegister.exit:
        post({ left: value })
        if (!isStop(turn)) control.waitAfter(turn)
        return true
      default:
        return false
    }
  }

  /** Does a load or a store of the guest; false where nothing is. */
  const access = (address: number, isStore: boolean): boolean => {
    if (address >= BOARD) return isStore && storeToBoard(address - BOARD, exit.readU32(kvm.RUN_MMIO_DATA))
    const register = address - VIRTIO_MMIO
    if (register < 0 || register >= VIRTIO_MMIO_SIZE || register % 4 !== 0) return false
    control.count(isStore ? 'stores to the disk' : 'loads from the disk')
    if (isStore) disk.store(register, exit.readU32(kvm.RUN_MMIO_DATA), ring)
    else exit.writeU32(disk.get(register), kvm.RUN_MMIO_DATA)
    return true
  }

  for (;;) {
    const errno = tryIoctl(fd, kvm.KVM_RUN)
    if (errno === constants.errno.EINTR || errno === constants.errno.EAGAIN) {
      control.count('signals')
      for (let turn = control.turn; isStop(turn); turn = control.turn) {
        post({ is: 'stopped' })
        control.waitAfter(turn)
      }
      if (control.turn === END) return null
      continue
    }
    if (errno !== 0) return `processor ${cpu}: KVM_RUN failed with errno ${errno}`
    const reason = exit.readU32(kvm.RUN_EXIT_REASON)
    if (reason !== kvm.KVM_EXIT_MMIO) return `processor ${cpu} has left the guest for reason ${reason}`
    const address = Number(exit.readU64(kvm.RUN_MMIO_ADDRESS))
    const length = exit.readU32(kvm.RUN_MMIO_LENGTH)
    const isStore = exit.readU8(kvm.RUN_MMIO_IS_WRITE) !== 0
    if (length !== 4 || !access(address, isStore)) {
      const what = isStore ? 'stores' : 'loads'
      return `processor ${cpu} ${what} ${length} bytes at 0x${address.toString(16)}, where nothing takes them`
    }
  }
}
