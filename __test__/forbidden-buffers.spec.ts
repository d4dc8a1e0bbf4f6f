// Where the engine forbids memory from outside, as that of Electron does, everything answers natively.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = fileURLToPath(new URL('..', import.meta.url))

const PROGRAM = `
  const assert = require('node:assert')
  const { door } = require('./dist/addon.js').addon
  let refused = 0
  for (const name of ['generationCell', 'openWindow']) {
    door[name] = () => {
      refused += 1
      throw Object.assign(new Error('This runtime forbids external buffers'), { code: 'ERR_UNSUPPORTED' })
    }
  }
  const { GuestMemoryAtomic, GuestMemoryLoadGuard, GuestMemoryMmap } = require('.')
  const map = GuestMemoryMmap.fromRanges([[0, 4096]], { bitmap: true })
  const atomic = new GuestMemoryAtomic(map)
  for (let round = 1; round < 6; round += 1) {
    const guard = atomic.memory()
    assert.ok(guard instanceof GuestMemoryLoadGuard)
    guard.writeU32(round, 8)
    assert.equal(map.readU32(8), round)
    assert.ok(guard.addressInRange(4095) && !guard.addressInRange(4096))
    assert.equal(guard.clone().intoInner(), map)
    const other = GuestMemoryMmap.fromRanges([[0, 8192]])
    atomic.update((current) => (current === map ? other : current))
    assert.equal(atomic.memory().intoInner(), other)
    assert.equal(guard.readU32(8), round)
    atomic.lock().replace(map)
    guard.dispose()
    assert.throws(() => guard.readU32(8), { code: 'ERR_DISPOSED' })
  }
  console.log(process.env.VM_MEMORY_FAST_PATHS === '0' || refused > 0)
`

test('guards and maps work where no buffer can be made', (t) => {
  t.is(execFileSync(process.execPath, ['-e', PROGRAM], { cwd: root, encoding: 'utf8' }), 'true\n')
})
