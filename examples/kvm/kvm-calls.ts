/** What of <linux/kvm.h> this monitor uses: numbers and structures, for x86-64. */
import { struct, type StructType } from '../../index.js'

// _IO, _IOW and _IOR of KVMIO
const request = (direction: number, number: number, size: number): number =>
  ((direction << 30) | (size << 16) | (0xae << 8) | number) >>> 0
const plain = (number: number): number => request(0, number, 0)
const write = (number: number, { size }: StructType): number => request(1, number, size)
const read = (number: number, { size }: StructType): number => request(2, number, size)

/** struct kvm_userspace_memory_region */
export const MemorySlot = struct({ slot: 'u32', flags: 'u32', guestAddress: 'u64', size: 'u64', hostAddress: 'u64' })
/** struct kvm_dirty_log */
export const DirtyLog = struct({ slot: 'u32', padding: 'u32', bitmap: 'u64' })
/** struct kvm_ioeventfd */
export const IoEventFd = struct({
  data: 'u64',
  address: 'u64',
  length: 'u32',
  fd: 'i32',
  flags: 'u32',
  padding: ['u8', 36],
})

/** struct kvm_regs */
export const Registers = struct({
  rax: 'u64',
  rbx: 'u64',
  rcx: 'u64',
  rdx: 'u64',
  rsi: 'u64',
  rdi: 'u64',
  rsp: 'u64',
  rbp: 'u64',
  others: ['u64', 8],
  rip: 'u64',
  rflags: 'u64',
})
/** struct kvm_segment */
const Segment = struct({
  base: 'u64',
  limit: 'u32',
  selector: 'u16',
  type: 'u8',
  present: 'u8',
  dpl: 'u8',
  db: 'u8',
  s: 'u8',
  l: 'u8',
  g: 'u8',
  avl: 'u8',
  unusable: 'u8',
  padding: 'u8',
})
/** struct kvm_dtable */
const Table = struct({ base: 'u64', limit: 'u16', padding: ['u16', 3] })
/** struct kvm_sregs */
export const SpecialRegisters = struct({
  cs: Segment,
  ds: Segment,
  es: Segment,
  fs: Segment,
  gs: Segment,
  ss: Segment,
  tr: Segment,
  ldt: Segment,
  gdt: Table,
  idt: Table,
  cr0: 'u64',
  cr2: 'u64',
  cr3: 'u64',
  cr4: 'u64',
  cr8: 'u64',
  efer: 'u64',
  apicBase: 'u64',
  interrupts: ['u64', 4],
})

// Of /dev/kvm
export const KVM_GET_API_VERSION = plain(0x00)
export const KVM_CREATE_VM = plain(0x01)
export const KVM_GET_VCPU_MMAP_SIZE = plain(0x04)
/** The only version there has been since 2007. */
export const KVM_API_VERSION = 12

// Of a machine
export const KVM_CREATE_VCPU = plain(0x41)
export const KVM_GET_DIRTY_LOG = write(0x42, DirtyLog)
export const KVM_SET_USER_MEMORY_REGION = write(0x46, MemorySlot)
export const KVM_IOEVENTFD = write(0x79, IoEventFd)
export const KVM_MEM_LOG_DIRTY_PAGES = 1

// Of a processor
export const KVM_RUN = plain(0x80)
export const KVM_GET_REGS = read(0x81, Registers)
export const KVM_SET_REGS = write(0x82, Registers)
export const KVM_GET_SREGS = read(0x83, SpecialRegisters)
export const KVM_SET_SREGS = write(0x84, SpecialRegisters)

// struct kvm_run
export const RUN_IMMEDIATE_EXIT = 1
export const RUN_EXIT_REASON = 8
export const RUN_MMIO_ADDRESS = 32
export const RUN_MMIO_DATA = 40
export const RUN_MMIO_LENGTH = 48
export const RUN_MMIO_IS_WRITE = 52
export const KVM_EXIT_MMIO = 6
