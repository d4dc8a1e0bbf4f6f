// Functions of the module, which need no object.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import type { Draft } from './draft.js'
import { length, order, power, u64 } from './numbers.js'

const ADDRESSES: readonly (readonly [name: string, second: (draft: Draft) => string])[] = [
  ['checkedAdd', u64],
  ['checkedAlignUp', power],
  ['checkedOffsetFrom', u64],
  ['checkedSub', u64],
  ['mask', u64],
  ['overflowingAdd', u64],
  ['overflowingSub', u64],
  ['uncheckedAdd', u64],
  ['uncheckedAlignUp', power],
  ['uncheckedOffsetFrom', u64],
  ['uncheckedSub', u64],
]

export function callFunction(draft: Draft): void {
  const { chance } = draft
  const [name, second] = chance.among(ADDRESSES)
  draft.do(
    chance.weighted<() => string>([
      [8, () => `GuestAddress.${name}(${u64(draft)}, ${second(draft)})`],
      [1, () => `computeOffset(${u64(draft)}, ${length(draft)})`],
      [1, () => `fence(${order(draft)})`],
      [1, () => 'pageSize()'],
      [1, () => 'checkFaults(pageSize)'],
      [1, () => `isVmMemoryError(Object.assign(new Error(), { name: 'MmapError', code: 'ERR_NO_MEMORY_REGION' }))`],
      [1, () => `checkFileOffset({ start: ${length(draft)}, fd: -1 }, ${length(draft)})`],
    ])(),
  )
}
