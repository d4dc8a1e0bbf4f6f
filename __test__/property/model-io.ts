// What volatile transfers of the model take from and give to.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { VolatileIo } from '../../index.js'

import type { ModelMapping } from './model-region.js'
import { Refusal, unexpectedEof, writeZero } from './refusals.js'

/** A regular file with a cursor. */
export class ModelFile {
  readonly fd = -1
  content = new Uint8Array()
  position = 0

  take(count: number): Uint8Array {
    const bytes = this.content.slice(this.position, this.position + count)
    this.position += bytes.length
    return bytes
  }

  put(bytes: Uint8Array): number {
    const content = new Uint8Array(Math.max(this.content.length, this.position + bytes.length))
    content.set(this.content)
    content.set(bytes, this.position)
    this.content = content
    this.position += bytes.length
    return bytes.length
  }
}

/**
 * Bytes, used from their start. They may be bytes of the memory itself: what is read from them is what was in them before
 * the transfer, and what is written to them is there only after it.
 */
class BytesInMemory {
  readonly #target: Uint8Array
  readonly #copy: Uint8Array
  position = 0
  #written = 0

  constructor(target: Uint8Array) {
    this.#target = target
    this.#copy = target.slice()
  }

  get left(): number {
    return this.#copy.length - this.position
  }

  take(count: number): Uint8Array {
    const bytes = this.#copy.slice(this.position, this.position + count)
    this.position += bytes.length
    return bytes
  }

  put(bytes: Uint8Array): number {
    const fitting = bytes.subarray(0, this.left)
    this.#copy.set(fitting, this.position)
    this.position += fitting.length
    this.#written = this.position
    return fitting.length
  }

  flush(): void {
    this.#target.set(this.#copy.subarray(0, this.#written))
  }
}

/** A part of a mapping. */
export interface Part {
  mapping: ModelMapping
  offset: number
  count: number
}

export type Stream = ModelFile | BytesInMemory

export function readVolatile({ mapping, offset, count }: Part, stream: Stream): number {
  const bytes = stream.take(count)
  mapping.put(offset, bytes)
  return bytes.length
}

export function readExactVolatile(part: Part, stream: Stream): void {
  // Bytes are not touched unless there are enough, a file has been read to its end.
  if (stream instanceof BytesInMemory && stream.left < part.count) throw unexpectedEof()
  if (readVolatile(part, stream) < part.count) throw unexpectedEof()
}

export function writeVolatile({ mapping, offset, count }: Part, stream: Stream): number {
  return stream.put(mapping.take(offset, count))
}

export function writeAllVolatile(part: Part, stream: Stream): void {
  if (writeVolatile(part, stream) < part.count) throw writeZero()
}

/** Runs a transfer from or to a file or bytes. */
export function withStream<R>(io: VolatileIo, transfer: (stream: Stream) => R): R {
  if (io instanceof ModelFile) return counted(io, transfer)
  if (!(io instanceof Uint8Array)) throw new TypeError('the model knows files of its own only')
  const bytes = new BytesInMemory(io)
  try {
    return counted(bytes, transfer)
  } finally {
    bytes.flush()
  }
}

/** Runs a transfer that tells how many bytes it has moved when it is refused. */
function counted<R>(stream: Stream, transfer: (stream: Stream) => R): R {
  const before = stream.position
  try {
    return transfer(stream)
  } catch (error) {
    throw error instanceof Refusal ? error.after(stream.position - before) : error
  }
}
