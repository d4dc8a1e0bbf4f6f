import { createCipheriv, createHash, type Cipher } from 'node:crypto'

/** Numbers and bytes that look random and are the same for the same seed: the key stream of AES-CTR. */
export class SeededRandom {
  readonly #stream: Cipher
  #pool: Buffer = Buffer.alloc(0)

  constructor(seed: number) {
    const key = createHash('sha256').update(`seed ${seed}`).digest().subarray(0, 16)
    this.#stream = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  }

  bytes(length: number): Buffer {
    return this.#stream.update(Buffer.alloc(length))
  }

  /** An integer from 0 to `bound - 1`. */
  below(bound: number): number {
    if (this.#pool.length < 6) this.#pool = this.bytes(6 * 512)
    const draw = this.#pool.readUIntLE(0, 6)
    this.#pool = this.#pool.subarray(6)
    return draw % bound
  }

  /** An integer from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }
}
