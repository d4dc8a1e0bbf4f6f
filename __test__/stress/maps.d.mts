import type { GuestMemoryMmap } from '../../index.js'

export interface Entry {
  slot: number
  nonce: number
  pages: number
}

export declare function verifyPage(words: Uint32Array, entry: Entry, index: number): void
export declare function readManifest(memory: GuestMemoryMmap): { generation: bigint; entries: Entry[] }
export declare function firstMap(fd: number): GuestMemoryMmap
