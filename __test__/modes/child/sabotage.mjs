// Mistakes that one of the two processes makes on purpose, so that it can be seen that they are found.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import process from 'node:process'

/** Replaces a method by one that is given the true one. */
function replace({ prototype }, name, make) {
  const method = prototype[name]
  Object.defineProperty(prototype, name, { value: make(method), configurable: true, writable: true })
}

let reads = 0

export const SABOTAGES = {
  /** A byte more is written than should be. */
  memory: ({ GuestMemoryMmap }) =>
    replace(GuestMemoryMmap, 'writeU16', (writeU16) => {
      return function (value, addr) {
        writeU16.call(this, value, addr)
        if (this.checkRange(addr, 3)) this.write(new Uint8Array([0x99]), BigInt(addr) + 2n)
      }
    }),
  /** Pages are left clean that were written. */
  dirt: ({ GuestRegionMmap }) =>
    replace(GuestRegionMmap, 'writeU32', (writeU32) => {
      return function (value, addr) {
        writeU32.call(this, value, addr)
        this.bitmap?.resetAddrRange(addr, 4)
      }
    }),
  /** An error lacks a property. */
  error: ({ GuestMemoryMmap }) =>
    replace(GuestMemoryMmap, 'readSlice', (readSlice) => {
      return function (...args) {
        try {
          return readSlice.apply(this, args)
        } catch (error) {
          delete error.completed
          throw error
        }
      }
    }),
  /** Harm that lasts: what some programs have done is seen by those after them. */
  lasting: ({ VolatileSlice }) =>
    replace(VolatileSlice, 'readU8', (readU8) => {
      return function (addr) {
        reads += 1
        return readU8.call(this, addr) + (reads > 150 ? 1 : 0)
      }
    }),
  death: ({ VolatileSlice }) =>
    replace(VolatileSlice, 'splitAt', () => () => {
      process.kill(process.pid, 'SIGKILL')
    }),
  hang: ({ VolatileSlice }) =>
    replace(VolatileSlice, 'offset', () => () => {
      for (;;);
    }),
}
