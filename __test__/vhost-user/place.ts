// Where a back-end of examples/vhost-user-blk works in a test: a folder with an image and a name for the socket.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { ExecutionContext } from 'ava'

export interface Place {
  readonly folder: string
  readonly image: string
  readonly socket: string
}

/** Makes the folder, and an image with this content. Both go with the test. */
export function makePlace(t: ExecutionContext, content: Uint8Array): Place {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-back-end-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  const image = path.join(folder, 'disk.img')
  fs.writeFileSync(image, content)
  return { folder, image, socket: path.join(folder, 'socket') }
}
