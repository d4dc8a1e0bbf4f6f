// Arguments that ask for memory when there is none: an error, where an allocation that must not fail would end the process.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFile } from 'node:child_process'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'

const SCRIPT = fileURLToPath(new URL('short-memory.mjs', import.meta.url))
/** Of the address space, in KiB: more than a runtime asks for at its start. */
const LIMIT = 16 * 2 ** 20

const ENOMEM = `ERR_IO ${constants.errno.ENOMEM}`
const ANSWERS = {
  'new AtomicBitmap': 'ERR_OUT_OF_RANGE',
  'AtomicBitmap.withLen': 'ERR_OUT_OF_RANGE',
  clone: ENOMEM,
  enlarge: 'ERR_OUT_OF_RANGE',
  'getAndReset without an array': 'ERR_BUFFER_TOO_LARGE',
  'getAndReset without bits': ENOMEM,
  'GuestMemoryAtomic.fromShared': 'ERR_INVALID_TICKET',
  'GuestMemoryMmap.fromShared': 'ERR_INVALID_TICKET',
  memfdCreate: `ERR_IO ${constants.errno.EINVAL}`,
  readObj: 'ERR_INVALID_ARG_TYPE',
  load: 'ERR_INVALID_ARG_TYPE',
  'a number of a wrong type': 'ERR_INVALID_ARG_TYPE',
}

// The limit is one of Linux: macOS takes it and does not hold to it.
if (process.platform === 'linux') {
  for (const [name, answer] of Object.entries(ANSWERS)) {
    test(`without memory, ${name} is an error`, async (t) => {
      const command = 'ulimit -v "$3" && exec "$0" "$1" "$2" "$3"'
      const args = ['-c', command, process.execPath, SCRIPT, name, String(LIMIT)]
      const { stdout } = await promisify(execFile)('sh', args, { timeout: 60_000 })
      t.is(stdout, `${answer}, kept`)
    })
  }
} else {
  test('without memory', (t) => {
    t.log('left out: only Linux holds to a limit of the address space')
    t.pass()
  })
}
