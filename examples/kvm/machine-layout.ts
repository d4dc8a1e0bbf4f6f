/** What lies where in the machine: guest/machine.h and guest/virtio-blk.h have the same. */
import { closeSync } from 'node:fs'
import { GuestMemoryMmap, memfdCreate, struct } from '../../index.js'
import { GIB, HIGH_MEMORY_START, MIB, PCI_HOLE_START } from '../machine/memory-layout.js'
import { UsageError } from '../machine/usage-error.js'
import { alignUp } from '../virtio/virtq.js'
import type { CpuState } from './vm.js'

export const CPUS = 2

// RAM
const PAGE_TABLES = 0x1000
const CONSOLE_PAGES = 0xe000
export const BOOT_PAGE = 0x1_0000
const STACKS = 0x2_0000
const STACK_SIZE = 0x8000
export const PROGRAM = HIGH_MEMORY_START
/** From here on the program may use all memory. */
export const WORK = 2 * MIB
// The hole below 4 GiB
export const VIRTIO_MMIO = 0xd000_0000
export const BOARD = 0xd000_1000
/** Where memory is plugged in. */
export const DIMM_BASE = 4 * GIB
/** As far as the page tables reach. */
const ADDRESS_SPACE = 8 * GIB

/** Registers of the machine, from `BOARD` on. */
export const BoardRegister = { console: 0x00, halt: 0x04, exit: 0x08, dimm: 0x0c } as const

export const consolePage = (cpu: number): number => CONSOLE_PAGES + 0x1000 * cpu

/** The page that monitor and program share. */
export const Boot = struct({
  diskBytes: 'u64',
  work: 'u64',
  workBytes: 'u64',
  sieveBytes: 'u64',
  rounds: 'u32',
  quit: 'u32',
  progress: 'u32',
  sieves: 'u32',
  primes: 'u64',
  dimm: 'u64',
  dimmBytes: 'u64',
  dimmState: 'u32',
  dimms: 'u32',
  failure: 'u32',
  answersCount: 'u32',
  before: ['u8', 32],
  after: ['u8', 32],
  answers: ['u32', 32],
})
export const DIMM_PLUGGED = 1

const PRESENT = 1
const WRITABLE = 2
const USER = 4
const LARGE = 0x80
const ALL = PRESENT | WRITABLE | USER

/** Maps each address to itself, in pages of 2 MiB that ring 3 may use. */
function writePageTables(memory: GuestMemoryMmap): void {
  const [pml4, pdpt, directories] = [PAGE_TABLES, PAGE_TABLES + 0x1000, PAGE_TABLES + 0x2000]
  memory.writeU64(pdpt | ALL, pml4)
  for (let gib = 0; gib < ADDRESS_SPACE / GIB; gib++) {
    const directory = directories + 0x1000 * gib
    memory.writeU64(directory | ALL, pdpt + 8 * gib)
    for (let entry = 0; entry < 512; entry++) {
      memory.writeU64(gib * GIB + entry * 2 * MIB + (ALL | LARGE), directory + 8 * entry)
    }
  }
}

export interface Task {
  readonly diskBytes: number
  /** Memory for the sieve, in bytes. */
  readonly sieveBytes: number
  readonly rounds: number
}

/** Memory for a task, on a memfd: the disk twice, to sort it, and the sieve. What the program finds in it is there, but the program. */
export function layOutMemory({ diskBytes, sieveBytes, rounds }: Task): GuestMemoryMmap {
  const size = WORK + alignUp(2 * diskBytes, MIB) + sieveBytes
  if (size > PCI_HOLE_START)
    throw new UsageError(`the machine would need ${size / MIB} MiB, and has ${PCI_HOLE_START / MIB}`)
  const fd = memfdCreate('kvm-machine', size)
  const memory = GuestMemoryMmap.fromRanges([[0, size, fd]], { bitmap: true })
  closeSync(fd)
  writePageTables(memory)
  const task = { diskBytes, work: WORK, workBytes: size - WORK, sieveBytes, rounds }
  memory.writeObj(Boot, { ...memory.readObj(Boot, BOOT_PAGE), ...task }, BOOT_PAGE)
  return memory
}

const USER_CODE = 0x0b
const USER_DATA = 0x13

/** A processor of 64 bits in ring 3, about to call `start(cpu, boot)`; what `fresh` has stays otherwise. */
export function initialState(fresh: CpuState, cpu: number, entry: number): CpuState {
  const flat = { base: 0n, limit: 0xffff_ffff, present: 1, dpl: 3, s: 1, g: 1, avl: 0, unusable: 0, padding: 0 }
  // 64-bit code, read and executed; data, read and written
  const code = { ...flat, selector: USER_CODE, type: 0xb, db: 0, l: 1 }
  const data = { ...flat, selector: USER_DATA, type: 0x3, db: 1, l: 0 }
  return {
    registers: {
      ...fresh.registers,
      rdi: BigInt(cpu),
      rsi: BigInt(BOOT_PAGE),
      // As if it had been called: the stack is 8 bytes off a multiple of 16.
      rsp: BigInt(STACKS + STACK_SIZE * (cpu + 1) - 8),
      rip: BigInt(entry),
      rflags: 2n,
    },
    special: {
      ...fresh.special,
      cs: code,
      ds: data,
      es: data,
      fs: data,
      gs: data,
      ss: data,
      // PE, MP, ET, NE, WP, AM, PG; PAE; LME, LMA
      cr0: 0x8005_0033n,
      cr3: BigInt(PAGE_TABLES),
      cr4: 0x20n,
      efer: 0x500n,
    },
  }
}
