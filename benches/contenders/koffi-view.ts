/** `koffi.view` on mapped memory, and the hand-written table on top. */
import koffi from 'koffi'
import { loop, loopOver } from '../loop.js'
import { allocate } from './koffi-memory.js'
import { provideTable } from './table-works.js'
import type { Works } from './works.js'

const BUFFERS = 256
const BUFFER_SIZE = 0x1_0000

function provideBuffers(works: Works): void {
  // koffi gives the same buffer for the same address as long as it lives.
  const pointers = Array.from({ length: BUFFERS }, () => allocate(BUFFER_SIZE))
  works.set('buffer/first', () =>
    loopOver(
      BUFFERS,
      (count) => pointers.slice(0, count),
      (pointer) => koffi.view(pointer, BUFFER_SIZE),
    ),
  )
  const pointer = allocate(BUFFER_SIZE)
  const kept = koffi.view(pointer, BUFFER_SIZE)
  works.set('buffer/later', () => loop(() => kept))
}

export function provide(group: string, works: Works): void {
  provideTable(group, works, (size) => koffi.view(allocate(size), size))
  if (group === 'buffer') provideBuffers(works)
}
