/** How `console.log` shows the objects: a memory as a memory map. */
import { inspect, type InspectOptionsStylized } from 'node:util'
import type * as VmMemory from '../index'
import { defineMethod } from './protocols'

type Inspect = (depth: number, options: InspectOptionsStylized) => string

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** A size in the largest unit that shows it exactly. */
function formatSize(size: number): string {
  let unit = 0
  while (unit + 1 < UNITS.length && size !== 0 && size % 1024 === 0) {
    size /= 1024
    unit += 1
  }
  return `${size} ${UNITS[unit]}`
}

function formatAddress(address: bigint): string {
  return `0x${address.toString(16).padStart(16, '0')}`
}

export function installInspection(native: typeof VmMemory): void {
  const { PROT_READ, PROT_WRITE, PROT_EXEC, MAP_SHARED } = native

  function formatProtection(prot: number): string {
    const letters: [number, string][] = [
      [PROT_READ, 'r'],
      [PROT_WRITE, 'w'],
      [PROT_EXEC, 'x'],
    ]
    return letters.map(([bit, letter]) => (prot & bit ? letter : '-')).join('')
  }

  function formatKind(mapping: VmMemory.Mapping): string {
    if (mapping.isReleased) return 'released'
    if (!mapping.owned) return 'raw'
    const { fileOffset } = mapping
    if (!fileOffset) return 'anonymous'
    const sharing = mapping.flags & MAP_SHARED ? 'shared' : 'private'
    return `file fd ${fileOffset.fd} at 0x${fileOffset.start.toString(16)} ${sharing}`
  }

  function formatMapping(mapping: VmMemory.Mapping): string {
    const properties = [formatSize(mapping.size), formatKind(mapping), formatProtection(mapping.prot)]
    if (mapping.bitmap) properties.push('tracked')
    return properties.join(', ')
  }

  function formatRegion(region: VmMemory.GuestRegionMmap): string {
    return `${formatAddress(region.startAddr)}-${formatAddress(region.lastAddr)} ${formatMapping(region)}`
  }

  function formatMemory(name: string, memory: VmMemory.GuestMemory, depth: number): string {
    const regions = [...memory.iter()]
    if (regions.length === 0) return `${name} {}`
    if (depth < 0) return `[${name}: ${regions.length} regions]`
    return `${name} {\n${regions.map((region) => `  ${formatRegion(region)}`).join('\n')}\n}`
  }

  /** Shows whatever `format` says of an instance; of the prototype itself only what it is. */
  function define<T extends object>(
    { name, prototype }: { name: string; prototype: T },
    format: (object: T, depth: number) => string,
  ): void {
    const inspectObject: Inspect = function (this: T, depth) {
      return this === prototype ? `${name} [prototype]` : format(this, depth)
    }
    defineMethod(prototype, inspect.custom, inspectObject)
  }

  define(native.GuestMemoryMmap, (memory, depth) => formatMemory('GuestMemoryMmap', memory, depth))
  define(native.GuestMemoryLoadGuard, (guard, depth) => {
    try {
      return formatMemory('GuestMemoryLoadGuard', guard, depth)
    } catch {
      return 'GuestMemoryLoadGuard { disposed }'
    }
  })
  define(native.GuestRegionMmap, (region) => `GuestRegionMmap { ${formatRegion(region)} }`)
  define(native.MmapRegion, (mapping) => `MmapRegion { ${formatMapping(mapping)} }`)
  define(native.FileOffset, (file) => {
    try {
      return `FileOffset { fd: ${file.fd}, start: 0x${file.start.toString(16)} }`
    } catch {
      return 'FileOffset { disposed }'
    }
  })
  define(native.GuestMemoryAtomic, (atomic, depth) => {
    const guard = atomic.memory()
    try {
      return formatMemory('GuestMemoryAtomic', guard, depth)
    } finally {
      guard.dispose()
    }
  })
  // Without the host address: logs are no place for it, and it says nothing to a reader.
  define(native.VolatileSlice, (slice) => {
    const size = formatSize(slice.len)
    try {
      return `VolatileSlice { ${size}${slice.bitmap ? ', tracked' : ''} }`
    } catch {
      return `VolatileSlice { ${size}, released }`
    }
  })
  define(native.VolatileRef, ({ type }) => `VolatileRef { ${type} }`)
  define(native.VolatileArrayRef, ({ type, len }) => `VolatileArrayRef { ${len} x ${type} }`)
  define(native.AtomicRef, ({ type }) => `AtomicRef { ${type} }`)
  define(native.AtomicBitmap, ({ len, byteSize }) => `AtomicBitmap { ${len} pages, ${formatSize(byteSize)} }`)
  define(native.BitmapSlice, () => 'BitmapSlice {}')
  define(native.WriteTracker, () => 'WriteTracker {}')
  define(native.GuestMemoryExclusiveGuard, () => 'GuestMemoryExclusiveGuard {}')
  define(native.MmapRegionBuilder, () => 'MmapRegionBuilder {}')
}
