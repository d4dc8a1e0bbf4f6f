import type { GuestMemoryMmap } from '../../index.js'

export declare function increment(memory: GuestMemoryMmap, seat: number, pause: () => void): void
export declare function totals(memory: GuestMemoryMmap, seats: number): { count: bigint; own: bigint[] }
