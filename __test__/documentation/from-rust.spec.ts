// That docs/from-rust.md names every public item of the crate and of this package, and nothing that does not exist.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import test from 'ava'

import { DeclaredNames } from './declared-names.js'
import { complaints } from './from-rust-page.js'
import { publicRustItems } from './rust-items.js'

const page = readFileSync(new URL('../../docs/from-rust.md', import.meta.url), 'utf8')
const items = publicRustItems()
const declared = DeclaredNames.ofPackage()

test('from-rust.md names everything that is public in Rust and in TypeScript, and nothing else', (t) => {
  t.deepEqual(complaints(page, items, declared), [])
})

const MISTAKES: readonly [what: string, pattern: RegExp, replacement: string, complaint: string][] = [
  [
    'a method of Rust that is left out',
    /^.*`GuestMemory::find_region`.*\n/m,
    '',
    'GuestMemory::find_region of guest_memory is missing',
  ],
  ['a variant that is left out', /`MmapRegionError::\*`/, '', 'MmapRegionError::MapFixed of mmap is missing'],
  [
    'an impl that is left out',
    /, `impl From<Arc<M>> for GuestMemoryAtomic`/,
    '',
    'impl From<Arc<M>> for GuestMemoryAtomic of atomic is missing',
  ],
  ['an item that Rust has not', /`check_file_offset`/, '`check_file_size`', 'mmap has no check_file_size'],
  ['an item in another module', /^## `io`$/m, '## `bytes`', 'bytes has no ReadVolatile'],
  [
    'a member that TypeScript has not',
    /`VolatileSlice\.offset`/,
    '`VolatileSlice.skip`',
    'nothing declares VolatileSlice.skip',
  ],
  ['a literal that TypeScript has not', /`'be32'`/, "`'be24'`", "nothing declares 'be24'"],
  [
    'a member of JavaScript that is left out',
    /`GuestMemoryAtomic\.tryLock`, /,
    '',
    'GuestMemoryAtomic.tryLock is missing',
  ],
  ['a constructor that is left out', /`new FileOffset`/g, '`FileOffset`', 'FileOffset.constructor is missing'],
  [
    'a reason that is left out',
    / Arrays of bytes do not grow\. /,
    ' ',
    '`impl WriteVolatile for Vec` has no counterpart and no reason',
  ],
  ['an error that there is not', /ERR_LOCK_TIMEOUT/, 'ERR_LOCK_TIME', 'no error has the code ERR_LOCK_TIME'],
]
for (const [what, pattern, replacement, complaint] of MISTAKES) {
  test(`${what} is noticed`, (t) => {
    const changed = page.replace(pattern, replacement)
    t.not(changed, page)
    t.true(complaints(changed, items, declared).includes(complaint))
  })
}
