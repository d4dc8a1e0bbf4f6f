import { closeSync, openSync } from 'node:fs'
import {
  MAP_SHARED,
  MmapRegion,
  PROT_READ,
  PROT_WRITE,
  type ByteValued,
  type GuestRegionMmap,
  type InputOf,
  type StructValue,
  type ValueOf,
  type VolatileSlice,
} from '../../index.js'
import { ioctl, mapDescriptor, unmap } from '../host/device-calls.js'
import { reasonOf } from '../machine/input-file.js'
import * as kvm from './kvm-calls.js'

/** There is no KVM here, or not for this user. */
export class NoKvmError extends Error {
  override readonly name = 'NoKvmError'
}

/** Opens KVM. Throws `NoKvmError`. */
export function openKvm(): number {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new NoKvmError('the machine is for Linux on x86-64')
  let fd: number
  try {
    fd = openSync('/dev/kvm', 'r+')
  } catch (error) {
    throw new NoKvmError(`/dev/kvm: ${reasonOf(error)}`)
  }
  const version = ioctl('KVM_GET_API_VERSION', fd, kvm.KVM_GET_API_VERSION)
  if (version !== kvm.KVM_API_VERSION) throw new NoKvmError(`/dev/kvm: has API version ${version}`)
  return fd
}

/** A structure that KVM reads, or fills: the memory for it is this package's, too. */
class Argument {
  readonly #page = new MmapRegion(4096)
  readonly #slice = this.#page.asVolatileSlice()
  readonly address = this.#page.asPtr()

  put<T extends ByteValued>(type: T, value: InputOf<T>): bigint {
    this.#slice.writeObj(type, value, 0)
    return this.address
  }

  get<T extends ByteValued>(type: T): ValueOf<T> {
    return this.#slice.readObj(type, 0)
  }
}

const argument = new Argument()

/** A machine of KVM: slots for memory, and processors. */
export class Vm {
  readonly #fd: number
  readonly #runSize: number

  /** `device` is that of `openKvm`, which stays open. */
  constructor(device: number) {
    this.#fd = ioctl('KVM_CREATE_VM', device, kvm.KVM_CREATE_VM)
    this.#runSize = ioctl('KVM_GET_VCPU_MMAP_SIZE', device, kvm.KVM_GET_VCPU_MMAP_SIZE)
  }

  /** Puts a region into a slot, whose writes are logged. Its memory must stay until the slot is empty again. */
  setSlot(slot: number, region: GuestRegionMmap): void {
    const { startAddr: guestAddress, size } = region
    this.#setSlot({ slot, flags: kvm.KVM_MEM_LOG_DIRTY_PAGES, guestAddress, size, hostAddress: region.asPtr() })
  }

  clearSlot(slot: number): void {
    this.#setSlot({ slot, flags: 0, guestAddress: 0, size: 0, hostAddress: 0 })
  }

  #setSlot(value: InputOf<typeof kvm.MemorySlot>): void {
    const address = argument.put(kvm.MemorySlot, value)
    ioctl('KVM_SET_USER_MEMORY_REGION', this.#fd, kvm.KVM_SET_USER_MEMORY_REGION, address)
  }

  /** Writes a bit for each page that processors have written since the last call, to where `bitmap` points. */
  getDirtyLog(slot: number, bitmap: bigint): void {
    const address = argument.put(kvm.DirtyLog, { slot, padding: 0, bitmap })
    ioctl('KVM_GET_DIRTY_LOG', this.#fd, kvm.KVM_GET_DIRTY_LOG, address)
  }

  /** Has stores of 32 bits at an address signal an eventfd, without an exit. */
  setDoorbell(address: number, fd: number): void {
    const value = { data: 0, address, length: 4, fd, flags: 0, padding: new Uint8Array(36) }
    ioctl('KVM_IOEVENTFD', this.#fd, kvm.KVM_IOEVENTFD, argument.put(kvm.IoEventFd, value))
  }

  createVcpu(id: number): Vcpu {
    return new Vcpu(ioctl('KVM_CREATE_VCPU', this.#fd, kvm.KVM_CREATE_VCPU, id), this.#runSize)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** All that a processor knows. Programs here use no floating point, and no model-specific registers. */
export interface CpuState {
  readonly registers: StructValue<typeof kvm.Registers.fields>
  readonly special: StructValue<typeof kvm.SpecialRegisters.fields>
}

/** Where a `struct kvm_run` is mapped; another thread may wrap it, too. */
export interface RunMapping {
  readonly address: bigint
  readonly size: number
}

export function wrapRun({ address, size }: RunMapping): VolatileSlice {
  return MmapRegion.buildRaw(address, size, PROT_READ | PROT_WRITE, MAP_SHARED).asVolatileSlice()
}

/** A processor of KVM, while it does not run. */
export class Vcpu {
  readonly fd: number
  readonly run: RunMapping
  readonly #run: VolatileSlice

  constructor(fd: number, size: number) {
    this.fd = fd
    this.run = { address: mapDescriptor(fd, size, PROT_READ | PROT_WRITE, MAP_SHARED), size }
    this.#run = wrapRun(this.run)
  }

  get state(): CpuState {
    ioctl('KVM_GET_REGS', this.fd, kvm.KVM_GET_REGS, argument.address)
    const registers = argument.get(kvm.Registers)
    ioctl('KVM_GET_SREGS', this.fd, kvm.KVM_GET_SREGS, argument.address)
    return { registers, special: argument.get(kvm.SpecialRegisters) }
  }

  set state({ registers, special }: CpuState) {
    ioctl('KVM_SET_SREGS', this.fd, kvm.KVM_SET_SREGS, argument.put(kvm.SpecialRegisters, special))
    ioctl('KVM_SET_REGS', this.fd, kvm.KVM_SET_REGS, argument.put(kvm.Registers, registers))
  }

  /** Whether KVM_RUN is to end what it has begun, and then to return at once. */
  set immediateExit(wanted: boolean) {
    this.#run.writeU8(wanted ? 1 : 0, kvm.RUN_IMMEDIATE_EXIT)
  }

  close(): void {
    unmap(this.run.address, this.run.size)
    closeSync(this.fd)
  }
}
