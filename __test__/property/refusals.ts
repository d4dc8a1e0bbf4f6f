// The errors of the model, as the package documents them.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

export type Fields = Record<string, bigint | number | string>

/** An error that the model answers with. */
export class Refusal extends Error {
  readonly code: string
  readonly fields: Fields
  constructor(name: string, code: string, message: string, fields: Fields = {}) {
    super(message)
    this.name = name
    this.code = code
    this.fields = fields
  }

  /** What a transfer is refused with that has moved so many bytes. Partial ones tell that already. */
  after(completed: number): this {
    if (completed > 0 && this.code !== 'ERR_PARTIAL_BUFFER') this.fields.completed = completed
    return this
  }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`

const guestMemory = (code: string, message: string, fields?: Fields): Refusal =>
  new Refusal('GuestMemoryError', code, `Guest memory error: ${message}`, fields)
const volatileMemory = (code: string, message: string, fields?: Fields): Refusal =>
  new Refusal('VolatileMemoryError', code, message, fields)

export const invalidGuestAddress = (addr: bigint): Refusal =>
  guestMemory('ERR_INVALID_GUEST_ADDRESS', `invalid guest address ${addr}`, { addr })
export const invalidBackendAddress = (): Refusal =>
  guestMemory('ERR_INVALID_BACKEND_ADDRESS', 'invalid backend address')
export const callbackOutOfRange = (): Refusal =>
  new Refusal(
    'GuestMemoryError',
    'ERR_CALLBACK_OUT_OF_RANGE',
    'The length returned by the callback passed to `try_access` is outside the address range.',
  )
export const guestAddressOverflow = (): Refusal =>
  new Refusal(
    'GuestMemoryError',
    'ERR_GUEST_ADDRESS_OVERFLOW',
    'The address to be read by `try_access` is outside the address range',
  )

export const outOfBounds = (addr: bigint): Refusal =>
  volatileMemory('ERR_OUT_OF_BOUNDS', `address ${hex(addr)} is out of bounds`, { addr })
export const overflow = (base: bigint, offset: bigint): Refusal =>
  volatileMemory('ERR_OVERFLOW', `address ${hex(base)} offset by ${hex(offset)} would overflow`, { base, offset })
export const misaligned = (addr: bigint, alignment: number): Refusal =>
  volatileMemory('ERR_MISALIGNED', `address ${hex(addr)} is not aligned to ${alignment}`, { addr, alignment })
export const partialBuffer = (expected: bigint, completed: bigint): Refusal =>
  volatileMemory('ERR_PARTIAL_BUFFER', `only used ${completed} bytes in ${expected} long buffer`, {
    expected: Number(expected),
    completed: Number(completed),
  })
export const unexpectedEof = (): Refusal =>
  volatileMemory('ERR_IO', 'failed to fill whole buffer', { kind: 'UnexpectedEof' })
export const writeZero = (): Refusal => volatileMemory('ERR_IO', 'failed to write whole buffer', { kind: 'WriteZero' })

/** How an error of a slice shows on a region or a memory. */
export function asGuestMemoryError(error: unknown): unknown {
  if (!(error instanceof Refusal) || error.name !== 'VolatileMemoryError') return error
  const kept = error.code === 'ERR_IO' || error.code === 'ERR_PARTIAL_BUFFER'
  return kept ? guestMemory(error.code, error.message, error.fields) : invalidBackendAddress()
}

const mmap = (code: string, message: string): Refusal => new Refusal('MmapError', code, message)

export const invalidGuestRegion = (): Refusal =>
  mmap(
    'ERR_INVALID_GUEST_REGION',
    'Adding the guest base address to the length of the underlying mapping resulted in an overflow',
  )
export const noMemoryRegion = (): Refusal => mmap('ERR_NO_MEMORY_REGION', 'No memory region found')
export const memoryRegionOverlap = (): Refusal =>
  mmap('ERR_MEMORY_REGION_OVERLAP', 'Some of the memory regions intersect with each other')
export const unsortedMemoryRegions = (): Refusal =>
  mmap('ERR_UNSORTED_MEMORY_REGIONS', "The provided memory regions haven't been sorted")

/** What mmap(2) refuses; the text is the operating system's. */
export const cannotMap = (errno: number): Refusal => new Refusal('MmapRegionError', 'ERR_MMAP', '', { errno })

export const outOfRange = (): Refusal => new Refusal('RangeError', 'ERR_OUT_OF_RANGE', '')
export const disposed = (): Refusal => new Refusal('Error', 'ERR_DISPOSED', '')
export const lockHeld = (): Refusal => new Refusal('Error', 'ERR_LOCK_HELD', '')
