/**
 * The mailbox: what is asked of Rust without the glue. `crate/src/door/mailbox.rs` tells how it works.
 *
 * All arguments are complete before the box is touched; from then on nothing is called but the one function, until what came
 * of it was taken out. So nobody gets in between, and a thread that is ended has done all of it or nothing.
 */
import {
  bufferOf,
  Bytes,
  I64,
  lengthOf,
  MAX_SAFE_INTEGER,
  Numbers,
  setBytes,
  setPrototypeOf,
  U32,
  U64,
} from '../intrinsics'
import { door } from '../realm'

/** Words of 64 bits: what is asked for, and behind it room for bytes. */
const BYTES_FROM = 8
/**
 * How many bytes the box has room for. More are left in their array, which Rust is handed: an argument costs as much as copying
 * that many once more. 4 KiB across two regions took 151 ns by the box, and take 114.
 */
const IN_BOX = 512
const box = new U64(BYTES_FROM + IN_BOX / 8)
const numbers = new Numbers(bufferOf(box))
const signed = new I64(bufferOf(box))
/** The lower half of a word comes first. */
const halves = new U32(bufferOf(box))

/** Words by what is in them. */
const OBJECT = 1
const ADDRESS = 2
const COUNT = 3
const VALUE = 4
const RESULT = 5
/** Halves: what is asked for, and whether it was done. */
const ASKED = 0
const DONE = 1

/** What can be asked for. An operation is one line here and one in Rust; its number is its place. */
const OPERATIONS = [
  'read',
  'readSlice',
  'write',
  'writeSlice',
  'fill',
  'readObj',
  'writeObj',
  'load',
  'store',
  'checkRange',
  'hostAddress',
  'isIntact',
  'isReleased',
  'mark',
  'bits',
  'byteSize',
  'isBitSet',
  'dirtyAt',
  'setBit',
  'resetBit',
  'markDirty',
  'resetRange',
] as const

/** The number of an operation. */
export function operation(name: (typeof OPERATIONS)[number]): number {
  return OPERATIONS.indexOf(name)
}

const READ = operation('read')
const READ_SLICE = operation('readSlice')
const WRITE = operation('write')
const WRITE_SLICE = operation('writeSlice')
const FILL = operation('fill')
const READ_OBJ = operation('readObj')
const WRITE_OBJ = operation('writeObj')
const LOAD = operation('load')
const STORE = operation('store')
const CHECK_RANGE = operation('checkRange')
const HOST_ADDRESS = operation('hostAddress')
const IS_INTACT = operation('isIntact')
const IS_RELEASED = operation('isReleased')
const MARK = operation('mark')

const functions = door.openMailbox(box, OPERATIONS)
const ask = functions[0]
const askWith = functions[1]

/** Gives an object its number. It is asked for once, and kept where nobody else sees it. */
export const numberOf = functions[2]

/** The number of no object: whatever it is asked for, the answer is no. */
export const NO_NUMBER = 0

/** The bytes of the box. */
const payload = new Bytes(bufferOf(box), BYTES_FROM * 8)

/** Views of its first bytes, by their number: to make one costs as much as a short copy. They are made when they are needed. */
const views: Uint8Array[] = []
setPrototypeOf(views, null)
for (let length = 0; length <= IN_BOX; length += 1) views[length] = payload

function firstBytes(length: number): Uint8Array {
  const known = views[length] as Uint8Array
  return known === payload ? (views[length] = new Bytes(bufferOf(box), BYTES_FROM * 8, length)) : known
}

/** Puts bytes into the box; whether there is room, which is not sure where others may enlarge what they lie in. */
function putBytes(from: unknown, to: unknown = payload): boolean {
  try {
    setBytes(to, from as ArrayLike<number>)
    return true
  } catch {
    return false
  }
}

/** The first `length` bytes of an array, in the box until that is used again; null where there is no room for all of the array. */
export function boxed(from: unknown, length: number): Uint8Array | null {
  return length <= IN_BOX && putBytes(from) ? firstBytes(length) : null
}

/** Writes an address, if that is one; whether it is. Conversions of anything else are left to native methods. */
function putAddress(address: unknown): boolean {
  if (typeof address === 'number') {
    if (!(address >= 0 && address <= MAX_SAFE_INTEGER)) return false
    halves[ADDRESS * 2] = address
    halves[ADDRESS * 2 + 1] = address / 2 ** 32
    return (halves[ADDRESS * 2 + 1] as number) * 2 ** 32 + (halves[ADDRESS * 2] as number) === address
  }
  if (typeof address !== 'bigint') return false
  box[ADDRESS] = address
  return box[ADDRESS] === address
}

/**
 * Asks for something that is done with `length` bytes; whether it was. (The call of this comes before the box is touched, and
 * its end is no place where the engine ends a thread.)
 */
function askAbout(asked: number, object: number, bytes: unknown, length: number): boolean {
  halves[ASKED] = asked
  numbers[OBJECT] = object
  numbers[COUNT] = length
  if (length > IN_BOX) askWith(bytes as Uint8Array)
  else ask()
  return halves[DONE] !== 0
}

/** Reads up to `length` bytes into an array of bytes; how many there were, or -1 for no. */
export function read(object: number, into: unknown, length: number, address: unknown): number {
  if (object === NO_NUMBER || !putAddress(address) || !askAbout(READ, object, into, length)) return -1
  const count = numbers[RESULT] as number
  if (length <= IN_BOX) setBytes(into, firstBytes(count))
  return count
}

/** Reads all of `length` bytes into an array of bytes; whether there were so many. Else nothing is read. */
export function readSlice(object: number, into: unknown, length: number, address: unknown): boolean {
  if (object === NO_NUMBER || !putAddress(address) || !askAbout(READ_SLICE, object, into, length)) return false
  if (length <= IN_BOX) setBytes(into, firstBytes(length))
  return true
}

/**
 * Reads all of the elements of an array that is new, of a class that the host's memory has such elements of; whether there
 * were so many. Else nothing is read.
 */
export function readElements<T extends ArrayLike<unknown>>(
  object: number,
  into: T,
  make: new (buffer: ArrayBufferLike, offset: number, length: number) => T,
  size: number,
  address: unknown,
): boolean {
  if (object === NO_NUMBER || !putAddress(address) || !askAbout(READ_SLICE, object, into, size)) return false
  // By elements, not by bytes: short arrays have no bytes of their own yet.
  if (size <= IN_BOX) setBytes(into, new make(bufferOf(box), BYTES_FROM * 8, lengthOf(into)) as ArrayLike<number>)
  return true
}

/** Writes up to `length` bytes, which `from` has at least; how many there was memory for, or -1 for no. */
export function write(object: number, from: unknown, length: number, address: unknown): number {
  if (object === NO_NUMBER || !putAddress(address) || (length <= IN_BOX && !putBytes(from))) return -1
  return askAbout(WRITE, object, from, length) ? (numbers[RESULT] as number) : -1
}

/** Writes all of `length` bytes; whether there was memory for them. Else nothing is written. */
export function writeSlice(object: number, from: unknown, length: number, address: unknown): boolean {
  if (object === NO_NUMBER || !putAddress(address) || (length <= IN_BOX && !putBytes(from))) return false
  return askAbout(WRITE_SLICE, object, from, length)
}

/** Writes all elements of an array of a class that the host's memory has such elements of; whether there was memory for them. */
export function writeElements<T extends ArrayLike<unknown>>(
  object: number,
  from: T,
  make: new (buffer: ArrayBufferLike, offset: number, length: number) => T,
  length: number,
  size: number,
  address: unknown,
): boolean {
  if (object === NO_NUMBER || !putAddress(address)) return false
  if (size <= IN_BOX && !putBytes(from, new make(bufferOf(box), BYTES_FROM * 8, length))) return false
  return askAbout(WRITE_SLICE, object, from, size)
}

/** Sets bytes to a value, which must be one of a byte; whether there was memory for all of them. Else nothing is written. */
export function fill(object: number, value: number, address: unknown, count: number): boolean {
  if (object === NO_NUMBER || !putAddress(address)) return false
  halves[ASKED] = FILL
  numbers[OBJECT] = object
  numbers[COUNT] = count
  halves[VALUE * 2] = value
  halves[VALUE * 2 + 1] = 0
  ask()
  return halves[DONE] !== 0
}

/** Reads an integer of `size` bytes, which `low`, `unsigned64` or `signed64` returns then; whether there was one. */
export function readObj(object: number, size: number, address: unknown): boolean {
  if (object === NO_NUMBER || !putAddress(address)) return false
  halves[ASKED] = READ_OBJ
  numbers[OBJECT] = object
  numbers[COUNT] = size
  // Rust writes no more of it than the integer has.
  halves[RESULT * 2] = 0
  ask()
  return halves[DONE] !== 0
}

/** The same in one access that is sequentially consistent. */
export function load(object: number, size: number, address: unknown): boolean {
  if (object === NO_NUMBER || !putAddress(address)) return false
  halves[ASKED] = LOAD
  numbers[OBJECT] = object
  numbers[COUNT] = size
  ask()
  return halves[DONE] !== 0
}

/** The lower 32 bits of what was read. */
export function low(): number {
  return halves[RESULT * 2] as number
}

export function unsigned64(): bigint {
  return box[RESULT] as bigint
}

export function signed64(): bigint {
  return signed[RESULT] as bigint
}

/** Writes an integer of up to 32 bits, which must be one of `size` bytes; whether there was memory for it. */
export function writeObj(object: number, size: number, value: number, address: unknown): boolean {
  if (object === NO_NUMBER || !putAddress(address)) return false
  halves[ASKED] = WRITE_OBJ
  numbers[OBJECT] = object
  numbers[COUNT] = size
  halves[VALUE * 2] = value
  ask()
  return halves[DONE] !== 0
}

/** The same of 64 bits. */
export function writeObj64(object: number, value: bigint, address: unknown): boolean {
  if (object === NO_NUMBER || !putAddress(address)) return false
  halves[ASKED] = WRITE_OBJ
  numbers[OBJECT] = object
  numbers[COUNT] = 8
  box[VALUE] = value
  ask()
  return halves[DONE] !== 0
}

/** Stores an integer of up to 32 bits in one access that is sequentially consistent; whether there was memory for it. */
export function store(object: number, size: number, value: number, address: unknown): boolean {
  if (object === NO_NUMBER || !putAddress(address)) return false
  halves[ASKED] = STORE
  numbers[OBJECT] = object
  numbers[COUNT] = size
  halves[VALUE * 2] = value
  ask()
  return halves[DONE] !== 0
}

/** The same of 64 bits. */
export function store64(object: number, value: bigint, address: unknown): boolean {
  if (object === NO_NUMBER || !putAddress(address)) return false
  halves[ASKED] = STORE
  numbers[OBJECT] = object
  numbers[COUNT] = 8
  box[VALUE] = value
  ask()
  return halves[DONE] !== 0
}

/** Whether there is memory in a whole range, as 0 or 1; -1 for no answer, as to a count that is none. */
export function checkRange(object: number, base: unknown, count: number): number {
  return count < 0 ? -1 : askNumber(CHECK_RANGE, object, base, count)
}

/** Where a byte is in this process; undefined for no. */
export function hostAddress(object: number, address: unknown): bigint | undefined {
  if (object === NO_NUMBER || !putAddress(address)) return undefined
  halves[ASKED] = HOST_ADDRESS
  numbers[OBJECT] = object
  ask()
  return halves[DONE] === 0 ? undefined : box[RESULT]
}

/** Whether there is memory in a whole range of which nothing was released, or lost by the host. */
export function isIntact(object: number, address: unknown, count: number): boolean {
  return askNumber(IS_INTACT, object, address, count) >= 0
}

/** Whether the memory of a region or a mapping was released, as 0 or 1; -1 for no answer. */
export function isReleased(object: number): number {
  return askNumber(IS_RELEASED, object, 0, 0)
}

/** Marks a range of a map; whether there was memory in all of it. Else nothing is marked. */
export function mark(object: number, address: unknown, count: number): boolean {
  return count >= 0 && askNumber(MARK, object, address, count) >= 0
}

/** Asks for what is told or done by an address and a count; the answer as a number, or -1 for no. */
export function askNumber(asked: number, object: number, address: unknown, count: number): number {
  if (object === NO_NUMBER || !putAddress(address)) return -1
  halves[ASKED] = asked
  numbers[OBJECT] = object
  numbers[COUNT] = count
  numbers[RESULT] = 0
  ask()
  return halves[DONE] === 0 ? -1 : (numbers[RESULT] as number)
}
