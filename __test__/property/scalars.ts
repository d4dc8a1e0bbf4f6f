// Scalars as bytes, by arithmetic alone.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { endianness } from 'node:os'

import type { AtomicType, ScalarType } from '../../index.js'

export const ATOMIC_TYPES: readonly AtomicType[] = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'u64',
  'i64',
  'usize',
  'isize',
]

export const SCALAR_TYPES: readonly ScalarType[] = [
  ...ATOMIC_TYPES,
  'u128',
  'i128',
  'le16',
  'le32',
  'le64',
  'leSize',
  'be16',
  'be32',
  'be64',
  'beSize',
]

/** Bytes. */
export function sizeOf(type: ScalarType): number {
  const bits = /\d+$/.exec(type)
  return bits === null ? 8 : Number(bits[0]) / 8
}

export function boundsOf(type: ScalarType): [min: bigint, max: bigint] {
  const bits = BigInt(sizeOf(type) * 8)
  return type.startsWith('i') ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n]
}

function isBigEndian(type: ScalarType): boolean {
  if (type.startsWith('be')) return true
  return !type.startsWith('le') && endianness() === 'BE'
}

export function encode(type: ScalarType, value: bigint): Uint8Array {
  const bytes = Uint8Array.from({ length: sizeOf(type) }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn))
  return isBigEndian(type) ? bytes.toReversed() : bytes
}

export function decode(type: ScalarType, bytes: Uint8Array): number | bigint {
  const [most, ...rest] = isBigEndian(type) ? bytes : bytes.toReversed()
  let value = BigInt(most ?? 0)
  if (type.startsWith('i')) value = BigInt.asIntN(8, value)
  for (const byte of rest) value = value * 256n + BigInt(byte)
  return sizeOf(type) < 8 ? Number(value) : value
}

export function decodeArray(type: ScalarType, bytes: Uint8Array): ArrayLike<number> | ArrayLike<bigint> {
  const size = sizeOf(type)
  const values = Array.from({ length: bytes.length / size }, (_, index) =>
    decode(type, bytes.subarray(index * size, (index + 1) * size)),
  )
  const signed = type.startsWith('i')
  switch (size) {
    case 1:
      return signed ? Int8Array.from(values as number[]) : Uint8Array.from(values as number[])
    case 2:
      return signed ? Int16Array.from(values as number[]) : Uint16Array.from(values as number[])
    case 4:
      return signed ? Int32Array.from(values as number[]) : Uint32Array.from(values as number[])
    case 8:
      return signed ? BigInt64Array.from(values as bigint[]) : BigUint64Array.from(values as bigint[])
    default:
      return values as bigint[]
  }
}
