'use strict'

const { native } = require('./dist/index.js')

// Each by its name, so that Node finds the names for `import { … } from 'vm-memory'`.
exports.AtomicBitmap = native.AtomicBitmap
exports.AtomicRef = native.AtomicRef
exports.BitmapSlice = native.BitmapSlice
exports.checkFaults = native.checkFaults
exports.checkFileOffset = native.checkFileOffset
exports.computeOffset = native.computeOffset
exports.fence = native.fence
exports.FileOffset = native.FileOffset
exports.GuestAddress = native.GuestAddress
exports.GuestMemoryAtomic = native.GuestMemoryAtomic
exports.GuestMemoryExclusiveGuard = native.GuestMemoryExclusiveGuard
exports.GuestMemoryLoadGuard = native.GuestMemoryLoadGuard
exports.GuestMemoryMmap = native.GuestMemoryMmap
exports.GuestRegionMmap = native.GuestRegionMmap
exports.isVmMemoryError = native.isVmMemoryError
exports.memfdCreate = native.memfdCreate
exports.MmapRegion = native.MmapRegion
exports.MmapRegionBuilder = native.MmapRegionBuilder
exports.Ordering = native.Ordering
exports.onMemoryFault = native.onMemoryFault
exports.pageSize = native.pageSize
exports.struct = native.struct
exports.VolatileArrayRef = native.VolatileArrayRef
exports.VolatileRef = native.VolatileRef
exports.VolatileSlice = native.VolatileSlice
exports.WriteTracker = native.WriteTracker
exports.MAP_ANONYMOUS = native.MAP_ANONYMOUS
exports.MAP_FIXED = native.MAP_FIXED
exports.MAP_HUGETLB = native.MAP_HUGETLB
exports.MAP_LOCKED = native.MAP_LOCKED
exports.MAP_NORESERVE = native.MAP_NORESERVE
exports.MAP_POPULATE = native.MAP_POPULATE
exports.MAP_PRIVATE = native.MAP_PRIVATE
exports.MAP_SHARED = native.MAP_SHARED
exports.PROT_EXEC = native.PROT_EXEC
exports.PROT_NONE = native.PROT_NONE
exports.PROT_READ = native.PROT_READ
exports.PROT_WRITE = native.PROT_WRITE
