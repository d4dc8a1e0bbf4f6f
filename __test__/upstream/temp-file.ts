import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { ExecutionContext } from 'ava'

/**
 * A file without a name, open for reading and writing with the cursor at its start; closed when the test ends (upstream
 * `TempFile::new().unwrap().into_file()`). A number makes a file of that many zeros (`set_len`).
 */
export function tempFile(t: ExecutionContext, contents: Uint8Array | number = 0): number {
  const directory = mkdtempSync(join(tmpdir(), 'vm-memory-'))
  const path = join(directory, 'file')
  writeFileSync(path, typeof contents === 'number' ? new Uint8Array(contents) : contents)
  const fd = openSync(path, 'r+')
  rmSync(directory, { recursive: true })
  t.teardown(() => closeSync(fd))
  return fd
}
