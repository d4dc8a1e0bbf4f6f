// The model of a region: bytes, and a flag for each page of them.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { pageSize, type Usize } from '../../index.js'

import type { Bitmap } from './surface.js'

export class ModelBitmap implements Bitmap {
  readonly #dirty: boolean[]

  constructor(byteSize: number) {
    this.#dirty = Array.from({ length: Math.ceil(byteSize / pageSize()) }, () => false)
  }

  get len(): number {
    return this.#dirty.length
  }

  isBitSet(index: Usize): boolean {
    return this.#dirty[Number(index)] ?? false
  }

  isAddrSet(addr: Usize): boolean {
    return this.isBitSet(BigInt(addr) / BigInt(pageSize()))
  }

  dirtyAt(offset: Usize): boolean {
    return this.isAddrSet(offset)
  }

  markDirty(offset: Usize, len: Usize): void {
    this.#set(BigInt(offset), BigInt(len), true)
  }

  setAddrRange(start: Usize, len: Usize): void {
    this.#set(BigInt(start), BigInt(len), true)
  }

  resetAddrRange(start: Usize, len: Usize): void {
    this.#set(BigInt(start), BigInt(len), false)
  }

  clone(): { getAndReset(): BigUint64Array } {
    return { getAndReset: () => this.#words() }
  }

  getAndReset(): BigUint64Array {
    const words = this.#words()
    this.#dirty.fill(false)
    return words
  }

  #words(): BigUint64Array {
    const words = new BigUint64Array(Math.ceil(this.#dirty.length / 64))
    for (const [page, dirty] of this.#dirty.entries()) {
      const word = Math.floor(page / 64)
      if (dirty) words[word] = (words[word] ?? 0n) | (1n << BigInt(page % 64))
    }
    return words
  }

  /** Every page that has one of the bytes. */
  #set(start: bigint, len: bigint, dirty: boolean): void {
    for (const page of this.#dirty.keys()) {
      const first = BigInt(page) * BigInt(pageSize())
      if (first < start + len && start < first + BigInt(pageSize()) && len > 0n) this.#dirty[page] = dirty
    }
  }
}

/** What is mapped. Regions and slices show parts of it. */
export class ModelMapping {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly bitmap: ModelBitmap | null
  /** Where the operating system has mapped its counterpart: that cannot be foretold, but errors tell it. */
  host = 0n

  constructor(size: number, tracked: boolean) {
    this.bytes = new Uint8Array(size)
    this.bitmap = tracked ? new ModelBitmap(size) : null
  }

  take(offset: number, count: number): Uint8Array {
    return this.bytes.slice(offset, offset + count)
  }

  put(offset: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, offset)
    this.bitmap?.markDirty(offset, bytes.length)
  }
}
