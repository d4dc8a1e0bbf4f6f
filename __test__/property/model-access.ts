// Access by copy in the model, on top of `read` and `write`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import {
  type AtomicType,
  type ByteAccess,
  type Bytes,
  type ByteValued,
  type InputOf,
  Ordering,
  type ScalarType,
  type U64,
  type Usize,
  type ValueOf,
} from '../../index.js'

import type { Part } from './model-io.js'
import { outOfRange, partialBuffer } from './refusals.js'
import { boundsOf, decode, decodeArray, encode, sizeOf } from './scalars.js'

export function bytesOf(view: Bytes): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

function encodeChecked(type: ScalarType, value: number | bigint): Uint8Array {
  const [min, max] = boundsOf(type)
  if (value < min || value > max) throw outOfRange()
  return encode(type, BigInt(value))
}

function encodeValue(type: ByteValued, value: unknown): Uint8Array {
  if (typeof type === 'string') return encodeChecked(type, value as number | bigint)
  const [scalar, length] = type as [ScalarType, number]
  const elements = Array.from(value as ArrayLike<number | bigint>)
  if (elements.length !== length) throw outOfRange()
  return Uint8Array.from(elements.flatMap((element) => [...encodeChecked(scalar, element)]))
}

export abstract class ModelAccess<A extends U64> implements ByteAccess<A> {
  /** Refuses everything when there is nothing to access any more. */
  protected abstract begin(): void
  /** How an error of a slice shows here. */
  protected abstract shown(error: unknown): unknown
  /** Where an integer for atomic access lies. */
  protected abstract atomicPart(addr: A, size: number): Part

  abstract read(buf: Bytes, addr: A): number
  abstract write(buf: Bytes, addr: A): number

  readSlice(buf: Bytes, addr: A): void {
    this.#complete(buf.byteLength, this.read(buf, addr))
  }

  writeSlice(buf: Bytes, addr: A): void {
    this.#complete(buf.byteLength, this.write(buf, addr))
  }

  fill(value: number, addr: A, count: Usize): void {
    this.begin()
    encodeChecked('u8', value)
    // No memory of a world is as long as that.
    const bytes = new Uint8Array(Math.min(Number(count), 2 ** 20)).fill(value)
    this.#complete(BigInt(count), this.write(bytes, addr))
  }

  #complete(expected: number | bigint, completed: number): void {
    if (completed < expected) throw this.shown(partialBuffer(BigInt(expected), BigInt(completed)))
  }

  readObj<T extends ByteValued>(type: T, addr: A): ValueOf<T> {
    const [scalar, length] = typeof type === 'string' ? [type as ScalarType, 1] : (type as [ScalarType, number])
    const bytes = new Uint8Array(sizeOf(scalar) * length)
    this.readSlice(bytes, addr)
    return (typeof type === 'string' ? decode(scalar, bytes) : decodeArray(scalar, bytes)) as ValueOf<T>
  }

  writeObj<T extends ByteValued>(type: T, value: InputOf<T>, addr: A): void {
    this.begin()
    this.writeSlice(encodeValue(type, value), addr)
  }

  load<T extends AtomicType>(type: T, addr: A, order: Ordering): ValueOf<T> {
    this.begin()
    const { mapping, offset, count } = this.atomicPart(addr, sizeOf(type))
    if (order === Ordering.Release || order === Ordering.AcqRel) throw outOfRange()
    return decode(type, mapping.take(offset, count)) as ValueOf<T>
  }

  store(type: AtomicType, value: number | bigint, addr: A, order: Ordering): void {
    this.begin()
    const bytes = encodeChecked(type, value)
    const { mapping, offset } = this.atomicPart(addr, sizeOf(type))
    if (order === Ordering.Acquire || order === Ordering.AcqRel) throw outOfRange()
    mapping.put(offset, bytes)
  }

  readU8(addr: A): number {
    return this.readObj('u8', addr)
  }
  readI8(addr: A): number {
    return this.readObj('i8', addr)
  }
  readU16(addr: A): number {
    return this.readObj('u16', addr)
  }
  readI16(addr: A): number {
    return this.readObj('i16', addr)
  }
  readU32(addr: A): number {
    return this.readObj('u32', addr)
  }
  readI32(addr: A): number {
    return this.readObj('i32', addr)
  }
  readU64(addr: A): bigint {
    return this.readObj('u64', addr)
  }
  readI64(addr: A): bigint {
    return this.readObj('i64', addr)
  }
  writeU8(value: number, addr: A): void {
    this.writeObj('u8', value, addr)
  }
  writeI8(value: number, addr: A): void {
    this.writeObj('i8', value, addr)
  }
  writeU16(value: number, addr: A): void {
    this.writeObj('u16', value, addr)
  }
  writeI16(value: number, addr: A): void {
    this.writeObj('i16', value, addr)
  }
  writeU32(value: number, addr: A): void {
    this.writeObj('u32', value, addr)
  }
  writeI32(value: number, addr: A): void {
    this.writeObj('i32', value, addr)
  }
  writeU64(value: number | bigint, addr: A): void {
    this.writeObj('u64', value, addr)
  }
  writeI64(value: number | bigint, addr: A): void {
    this.writeObj('i64', value, addr)
  }
}
