// Machines that packages are tried on: this one, and folders that are the root of another system, with QEMU where that is
// for another processor.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { cpSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { cached } from './cache.mjs'
import { unpackDebian } from './debian.mjs'
import { MUSL_PROGRAM, nodeRelease, unpackMuslNode } from './node-releases.mjs'
import { start } from './program.mjs'
import { temporaryFolder } from './temporary.mjs'
import { MUSL_DEBIAN, MUSL_NODE, NODE_RELEASES, OLD_DEBIAN, QEMU_DEBIAN } from './versions.mjs'

const DEBIAN_CPUS = { x64: 'amd64', arm64: 'arm64' }
const QEMU = 'qemu-aarch64-static'

/**
 * @typedef {object} Machine
 * @property {string} title
 * @property {string} os
 * @property {string} cpu
 * @property {string} [libc] glibc and its version, or musl
 * @property {readonly string[]} npm options that make it install for this machine
 * @property {() => Site} prepare makes a place there
 *
 * @typedef {object} Site
 * @property {string} folder empty, as it is seen from here
 * @property {(args: readonly string[]) => import('node:child_process').SpawnSyncReturns<string>} node runs Node.js in it
 */

/** This machine, with nothing on the path but `bin`. @returns {Machine} */
export function thisMachine(bin) {
  const { glibcVersionRuntime: glibc } = process.report.getReport().header
  const libc = process.platform === 'linux' ? (glibc === undefined ? 'musl' : `glibc ${glibc}`) : undefined
  return {
    title: `this machine (${[process.platform, process.arch, libc].filter(Boolean).join(', ')})`,
    os: process.platform,
    cpu: process.arch,
    libc,
    npm: [],
    prepare: () => {
      const folder = temporaryFolder('project')
      return { folder, node: (args) => start(process.execPath, args, { cwd: folder, env: environmentWith(bin) }) }
    },
  }
}

/** The loader must not put up with packages of different versions. */
const environmentWith = (bin) => ({ HOME: process.env.HOME, PATH: bin, NAPI_RS_ENFORCE_VERSION_CHECK: '1' })

// Mounted for this one program: the system of the machine stays as it is.
const ENTER = 'mount --rbind /proc "$1/proc" && mount --rbind /dev "$1/dev" && exec chroot "$@"'

/** Runs a program of the system in `root`. */
function enter(root, command) {
  const asRoot = process.getuid() === 0 ? [] : ['--map-root-user']
  return start('unshare', [...asRoot, '--mount', 'sh', '-c', ENTER, 'sh', root, ...command], {
    env: { ...environmentWith('/usr/bin:/bin:/usr/sbin:/sbin'), HOME: '/tmp' },
  })
}

/** @param {string} root @param {readonly string[]} program @returns {Site} */
function siteIn(root, program) {
  const folder = temporaryFolder('project', path.join(root, 'srv'))
  const inside = path.join('/', path.relative(root, folder))
  return {
    folder,
    node: (args) =>
      enter(root, [...program, ...args.map((each) => (each.startsWith('-') ? each : `${inside}/${each}`))]),
  }
}

/** A system made of packages of Debian, for a processor, with `fill` having put Node.js into it. */
function system(name, cpu, release, packages, fill) {
  return cached(`${name}-${cpu}`, (root) => {
    unpackDebian(root, release, DEBIAN_CPUS[cpu], ...packages)
    for (const each of ['dev', 'opt', 'proc', 'srv', 'tmp']) mkdirSync(path.join(root, each), { recursive: true })
    fill(root)
    if (cpu === process.arch) return
    const qemu = temporaryFolder('qemu')
    unpackDebian(qemu, QEMU_DEBIAN, DEBIAN_CPUS[process.arch], 'qemu-user-static')
    cpSync(path.join(qemu, 'usr', 'bin', QEMU), path.join(root, QEMU))
  })
}

const command = (cpu, program) => (cpu === process.arch ? [program] : [`/${QEMU}`, program])

/** @returns {Machine} */
export function oldGlibc(cpu) {
  const prepare = () => {
    const { version, program } = nodeRelease('linux', cpu, NODE_RELEASES[0])
    const packages = ['libc6', 'libgcc-s1', 'libstdc++6']
    const root = system(`${OLD_DEBIAN}-node-${version}`, cpu, OLD_DEBIAN, packages, (root) => {
      cpSync(program, path.join(root, 'opt', 'node'))
    })
    return siteIn(root, command(cpu, '/opt/node'))
  }
  const npm = ['--os=linux', `--cpu=${cpu}`, '--libc=glibc']
  return { title: `Debian 11 (${cpu}, glibc 2.31)`, os: 'linux', cpu, libc: 'glibc 2.31', npm, prepare }
}

/** @returns {Machine} */
export function musl(cpu) {
  const prepare = () => {
    const root = system(`musl-node-${MUSL_NODE}`, cpu, MUSL_DEBIAN, ['musl'], (root) => {
      unpackMuslNode(path.join(root, 'opt'), cpu)
    })
    return siteIn(root, command(cpu, path.join('/opt', MUSL_PROGRAM)))
  }
  const npm = ['--os=linux', `--cpu=${cpu}`, '--libc=musl']
  return { title: `musl (${cpu})`, os: 'linux', cpu, libc: 'musl', npm, prepare }
}
