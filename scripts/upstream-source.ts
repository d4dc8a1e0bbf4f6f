// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

// The source of the crate that the native half is built with, as cargo has it.

import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'

/** Backends that this package is not built with. */
const OTHER_BACKENDS = new Set(['mmap_windows', 'mmap_xen'])

export interface UpstreamFile {
  /** Its path below `src`, as a Rust path. */
  readonly module: string
  readonly text: string
}

export interface UpstreamSource {
  readonly version: string
  /** Ascending by module. */
  readonly files: readonly UpstreamFile[]
}

export function upstreamSource(): UpstreamSource {
  const metadata = execFileSync('cargo', ['metadata', '--format-version', '1'], {
    cwd: join(import.meta.dirname, '..'),
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { packages } = JSON.parse(metadata) as {
    packages: { name: string; version: string; source: string | null; manifest_path: string }[]
  }
  const crate = packages.find(({ name, source }) => name === 'vm-memory' && source !== null)
  if (crate === undefined) {
    throw new Error('cargo metadata does not name the crate vm-memory')
  }
  const folder = join(dirname(crate.manifest_path), 'src')
  const files = readdirSync(folder, { encoding: 'utf8', recursive: true })
    .filter((file) => file.endsWith('.rs'))
    .map((file) => ({ file, module: file.slice(0, -'.rs'.length).split(sep).join('::') }))
    .filter(({ module }) => !OTHER_BACKENDS.has(module))
    .toSorted((a, b) => (a.module < b.module ? -1 : 1))
  return {
    version: crate.version,
    files: files.map(({ file, module }) => ({ module, text: readFileSync(join(folder, file), 'utf8') })),
  }
}
