// What a binary for macOS needs of its system, and whether that would load it.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { createHash } from 'node:crypto'

const MAGIC = 0xfeedfacf
const MACHINES = new Map([
  [0x0100_0007, 'x64'],
  [0x0100_000c, 'arm64'],
])
const LC_SYMTAB = 0x2
const LC_LOAD_DYLIB = 0xc
const LC_SEGMENT_64 = 0x19
const LC_CODE_SIGNATURE = 0x1d
const LC_BUILD_VERSION = 0x32
/** Of a symbol for debuggers. */
const N_STAB = 0xe0

/** @param {Buffer} file */
export function describeMachO(file) {
  if (file.readUInt32LE(0) !== MAGIC) throw new Error('this is no Mach-O file of 64 bits')
  const found = { machine: MACHINES.get(file.readUInt32LE(4)), libraries: [], leftovers: [], signed: false }
  for (const { kind, command } of loadCommands(file)) {
    const word = (index) => command.readUInt32LE(4 * index)
    if (kind === LC_BUILD_VERSION) found.macos = `${command.readUInt16LE(14)}.${command[13]}`
    if (kind === LC_LOAD_DYLIB) found.libraries.push(text(command, word(2)))
    if (kind === LC_SEGMENT_64 && text(command, 8) === '__DWARF') found.leftovers.push('__DWARF')
    if (kind === LC_SYMTAB && hasDebugSymbols(file, word(2), word(3))) found.leftovers.push('debug symbols')
    if (kind === LC_CODE_SIGNATURE) found.signed = isSigned(file, file.subarray(word(2), word(2) + word(3)))
  }
  return found
}

function* loadCommands(file) {
  let offset = 32
  for (let count = file.readUInt32LE(16); count > 0; count -= 1) {
    const size = file.readUInt32LE(offset + 4)
    yield { kind: file.readUInt32LE(offset) & 0x7fff_ffff, command: file.subarray(offset, offset + size) }
    offset += size
  }
}

function text(bytes, offset) {
  const end = bytes.indexOf(0, offset)
  return bytes.toString('latin1', offset, end < 0 ? undefined : end)
}

function hasDebugSymbols(file, offset, count) {
  for (let index = 0; index < count; index += 1) if ((file[offset + 16 * index + 4] & N_STAB) !== 0) return true
  return false
}

/** Whether the hashes of a signature, of however little authority, are those of the file: arm64 loads no other. */
function isSigned(file, signature) {
  const count = signature.readUInt32BE(8)
  for (let index = 0; index < count; index += 1) {
    const directory = signature.subarray(signature.readUInt32BE(16 + 8 * index))
    if (directory.readUInt32BE(0) === 0xfade0c02) return hasHashes(file, directory)
  }
  return false
}

function hasHashes(file, directory) {
  const hashes = directory.readUInt32BE(16)
  const pages = directory.readUInt32BE(28)
  const limit = directory.readUInt32BE(32)
  const [size, kind, , pageBits] = directory.subarray(36, 40)
  if (kind !== 2 || size !== 32 || pages !== Math.ceil(limit / 2 ** pageBits)) return false
  for (let page = 0; page < pages; page += 1) {
    const bytes = file.subarray(page << pageBits, Math.min((page + 1) << pageBits, limit))
    const hash = directory.subarray(hashes + size * page, hashes + size * (page + 1))
    if (!createHash('sha256').update(bytes).digest().equals(hash)) return false
  }
  return true
}
