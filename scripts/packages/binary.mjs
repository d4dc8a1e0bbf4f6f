// What is asked of a binary before it is published.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { OLDEST_GLIBC, OLDEST_MACOS, root } from '../targets.mjs'
import { describeElf } from './elf.mjs'
import { describeMachO } from './mach-o.mjs'
import { isNewer } from './version-order.mjs'

const ELF_MACHINES = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' }
/** Libraries that every system of the kind has, of whatever version. */
const LIBRARIES = {
  glibc:
    /^(libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|libgcc_s\.so\.1|ld-linux-(x86-64\.so\.2|aarch64\.so\.1))$/,
  musl: /^libc\.so$/,
  macos: /^\/usr\/lib\/libSystem\.B\.dylib$/,
}
/** Kernels for arm64 have pages of up to 64 KiB, those for x64 of 4 KiB. */
const PAGE_SIZES = { x64: 0x1000, arm64: 0x10000 }

const cargo = process.env.CARGO_HOME ?? path.join(os.homedir(), '.cargo')
const rustup = process.env.RUSTUP_HOME ?? path.join(os.homedir(), '.rustup')

/** Folders that nobody is to find in a binary, and what is to stand there: of several that fit, the last one counts. */
export const FOLDERS = [
  [os.homedir(), '/home'],
  [rustup, '/rustup'],
  [cargo, '/cargo'],
  [path.resolve(root), `/${path.basename(root)}`],
]

/**
 * Returns what the binary needs, or throws for all that is wrong with it.
 * @param {import('../targets.mjs').Target} target
 * @param {string} file
 */
export function inspect(target, file) {
  const bytes = readFileSync(file)
  const wrong = []
  const expect = (is, complaint) => is || wrong.push(complaint)
  const mac = target.os === 'darwin'
  const found = mac ? describeMachO(bytes) : describeElf(file)
  const { machine, libraries, leftovers } = found

  expect(machine === (mac ? target.cpu : ELF_MACHINES[target.cpu]), `it is for ${machine}`)
  expect(leftovers.length === 0, `it was not stripped: ${leftovers.join(', ')}`)
  const odd = libraries.filter((library) => !LIBRARIES[target.libc ?? 'macos'].test(library))
  expect(odd.length === 0, `it needs ${odd.join(', ')}`)
  for (const [folder] of FOLDERS) expect(!bytes.includes(folder + path.sep), `it has the path ${folder} in it`)

  if (mac) {
    expect(!isNewer(found.macos ?? '99', OLDEST_MACOS), `it needs macOS ${found.macos}`)
    expect(found.signed || target.cpu !== 'arm64', 'it has no valid signature, without which it is not loaded')
  } else {
    const fits = target.libc === 'glibc' ? !isNewer(found.glibc ?? '99', OLDEST_GLIBC) : found.glibc === undefined
    expect(fits, `it needs glibc ${found.glibc}`)
    expect(found.pageSize >= PAGE_SIZES[target.cpu], `it is aligned to pages of ${found.pageSize} bytes`)
  }
  if (wrong.length > 0) throw new Error(`${target.binary}: ${wrong.join('; ')}`)
  return {
    size: bytes.length,
    system: mac ? `macOS ${found.macos}` : target.libc === 'glibc' ? `glibc ${found.glibc}` : 'musl',
    libraries: libraries.map((library) => path.posix.basename(library)),
  }
}
