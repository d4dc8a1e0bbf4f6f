/** A descriptor of a virtqueue: as a struct, and field by field. */
import { struct } from '../../index.js'
import { loop } from '../loop.js'
import { makePair } from './calls.js'
import type { Works } from './works.js'

export function provideStructs(works: Works): void {
  const memory = makePair(false)
  const Descriptor = struct({ addr: 'le64', len: 'le32', flags: 'le16', next: 'le16' })
  const value = { addr: 0x10_0000n, len: 4096, flags: 3, next: 7 }
  const at = (i: number): number => (i & 255) * Descriptor.size
  const steps: Record<string, (i: number) => unknown> = {
    'read/struct': (i) => memory.readObj(Descriptor, at(i)),
    'read/fields': (i) => ({
      addr: memory.readU64(at(i)),
      len: memory.readU32(at(i) + 8),
      flags: memory.readU16(at(i) + 12),
      next: memory.readU16(at(i) + 14),
    }),
    'read/list': (i) => memory.readObj([Descriptor, 4], at(i)),
    'read/each': (i) => [0, 1, 2, 3].map((index) => memory.readObj(Descriptor, at(i) + index * Descriptor.size)),
    'write/struct': (i) => memory.writeObj(Descriptor, value, at(i)),
    'write/fields': (i) => {
      memory.writeU64(value.addr, at(i))
      memory.writeU32(value.len, at(i) + 8)
      memory.writeU16(value.flags, at(i) + 12)
      memory.writeU16(value.next, at(i) + 14)
    },
  }
  for (const [name, step] of Object.entries(steps)) works.set(`structs/${name}`, () => loop(step))
}
