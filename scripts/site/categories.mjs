// Under what heading the site shows a member: a name means one thing in all classes.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/** @type {Readonly<Record<string, readonly (string | RegExp)[]>>} */
const CATEGORIES = {
  Making: [
    'constructor',
    /^from(?!Shared)/,
    'build',
    'buildRaw',
    /^with(?!Views)/,
    'newWithBitmap',
    'setHugetlbfs',
    'enlarge',
  ],
  'Looking up': [
    /^(?:find|num|check|last|start|to)(?:[A-Z]|ed|$)/,
    'addressInRange',
    'iter',
    '[iterator]',
    'getHostAddress',
    'asPtr',
    'fdsOverlap',
    'size',
    'len',
    'isEmpty',
    'byteSize',
    'elementSize',
    'type',
    'prot',
    'flags',
    'owned',
    'fd',
    'fileOffset',
    'isHugetlbfs',
    'pageSize',
  ],
  'By copy': [/^(?:read|write)(?:$|Slice|Obj|[UI]\d)/, 'fill', /^copy(?:To|From)/],
  Atomic: ['load', 'store'],
  'Zero-copy': ['buffer', 'sharedBuffer', 'asUint8Array', 'views', 'withViews', 'tryAccess'],
  Windows: [/^get(?:Slice|.*Ref)$/, 'asVolatileSlice', 'subslice', 'offset', 'splitAt', 'toSlice', 'refAt'],
  Files: [/^(?:read|write)(?:Exact|All)?Volatile/],
  'Changing the map': [
    'insertRegion',
    'removeRegion',
    'diff',
    'lock',
    'tryLock',
    'lockAsync',
    'update',
    'replace',
    'onChange',
    'synchronize',
  ],
  Sharing: ['share', 'fromShared', 'clone', 'memory', 'intoInner'],
  'What was written': [
    'bitmap',
    'trackWrites',
    'harvest',
    /[dD]irty/,
    'sliceAt',
    /^(?:is|set|reset|getAnd)(?:Bit|Addr|Reset|$)/,
    'changedRanges',
  ],
  'Host memory': [
    'discard',
    'prefault',
    'advise',
    'flush',
    'lockPages',
    'unlockPages',
    'dataRanges',
    'residentSize',
    'save',
    'saveRanges',
  ],
  Faults: ['recoverFaults', 'faults', 'healFaults'],
  'The end': ['dispose', '[dispose]', 'release', 'isReleased'],
}

const matches = (name) => (known) => (typeof known === 'string' ? known === name : known.test(name))

/** @returns {string | undefined} */
export function categoryOf(name) {
  return Object.entries(CATEGORIES).find(([, names]) => names.some(matches(name)))?.[0]
}

export const CATEGORY_ORDER = Object.keys(CATEGORIES)
