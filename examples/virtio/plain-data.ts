/**
 * Structs in bytes that are no guest memory: a message on a socket, a device's configuration, what was gathered from
 * several buffers. The bytes pass through a page of memory, so that one description of a struct is good for all.
 */
import { MmapRegion, pageSize, type InputOf, type StructType, type ValueOf } from '../../index.js'

const page = new MmapRegion(pageSize()).getSlice(0, pageSize())

/** Reads a struct, of a page at most, from the first of `bytes`, which must have all of it. */
export function decode<T extends StructType>(type: T, bytes: Uint8Array): ValueOf<T> {
  if (bytes.length < type.size) throw new RangeError(`${bytes.length} bytes for a struct of ${type.size}`)
  page.writeSlice(bytes.subarray(0, type.size), 0)
  return page.readObj(type, 0)
}

/** Returns the bytes of a struct, of a page at most. */
export function encode<T extends StructType>(type: T, value: InputOf<T>): Buffer {
  const bytes = Buffer.alloc(type.size)
  page.writeObj(type, value, 0)
  page.readSlice(bytes, 0)
  return bytes
}
