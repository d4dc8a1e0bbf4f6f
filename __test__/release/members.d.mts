import type { GuestRegionMmap, MappingOptions, MmapRegion } from '../../index.js'

export const SIZE: number
export type Receivers = Record<string, object>
export function receivers(region: GuestRegionMmap): Receivers
export function makeRegion(options?: MappingOptions): GuestRegionMmap
export function calls(objects: Receivers): Iterable<{ title: string; asks: boolean; call: () => unknown }>
export function outcome(call: () => unknown): Promise<string>
export function surprises(objects: Receivers | { MmapRegion: MmapRegion }, isReleased: boolean): Promise<string[]>
