// The one table of what is built, packed and tested: the targets that package.json names, with all that follows from them.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { readFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { parseTriple } from '@napi-rs/cli'

/** The oldest systems that binaries are to run on. */
export const OLDEST_GLIBC = '2.17'
export const OLDEST_MACOS = '11.0'

export const root = path.join(import.meta.dirname, '..')
export const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))

/**
 * @typedef {object} Target
 * @property {string} triple as Rust has it
 * @property {string} platform as npm packages are named by convention, such as linux-x64-gnu
 * @property {string} os of package.json, and so are the next two
 * @property {string} cpu
 * @property {'glibc' | 'musl' | undefined} libc
 * @property {string} packageName
 * @property {string} folder of the package
 * @property {string} binary its file
 */

/** @type {readonly Target[]} */
export const targets = manifest.napi.targets.map((triple) => {
  const { platformArchABI: platform, platform: os, arch: cpu, abi } = parseTriple(triple)
  return {
    triple,
    platform,
    os,
    cpu,
    libc: abi === 'gnu' ? 'glibc' : (abi ?? undefined),
    packageName: `${manifest.name}-${platform}`,
    folder: path.join(root, 'npm', platform),
    binary: `${manifest.napi.binaryName}.${platform}.node`,
  }
})

/** The target that this machine runs. @returns {Target} */
export function hostTarget() {
  const { glibcVersionRuntime: glibc } = process.report.getReport().header
  const libc = process.platform === 'linux' ? (glibc === undefined ? 'musl' : 'glibc') : undefined
  const target = targets.find((each) => each.os === process.platform && each.cpu === process.arch && each.libc === libc)
  if (target === undefined) throw new Error(`there is no target for ${process.platform}-${process.arch}`)
  return target
}

/** @returns {Target} */
export function targetOf(platform) {
  const target = targets.find((each) => each.platform === platform)
  if (target === undefined) {
    throw new Error(`there is no target ${platform}: there are ${targets.map((each) => each.platform).join(', ')}`)
  }
  return target
}
