// What a guest starts with: busybox, the modules for its disk, fio, and a script that is the test.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { Packages } from './packages.js'

/** In the order in which they need each other. */
const MODULES = ['virtio_ring', 'virtio', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev', 'virtio_pci', 'virtio_blk']

const S_IFREG = 0o100000
const S_IFDIR = 0o040000

/** A cpio archive of the format that kernels read. */
class Archive {
  readonly #parts: Buffer[] = []
  readonly #folders = new Set<string>(['.'])
  #inode = 0

  file(name: string, content: Uint8Array, mode = 0o755): void {
    this.#folder(path.posix.dirname(name))
    this.#entry(name, S_IFREG | mode, content)
  }

  end(): Buffer {
    this.#entry('TRAILER!!!', 0, new Uint8Array(0))
    return Buffer.concat(this.#parts)
  }

  #folder(name: string): void {
    if (this.#folders.has(name)) return
    this.#folder(path.posix.dirname(name))
    this.#folders.add(name)
    this.#entry(name, S_IFDIR | 0o755, new Uint8Array(0))
  }

  /** magic, then ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check */
  #entry(name: string, mode: number, content: Uint8Array): void {
    const fields = [++this.#inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0]
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`
    this.#parts.push(padded(Buffer.from(header)), padded(Buffer.from(content)))
  }
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
}

/** The libraries that a program wants, by the path at which it looks for them. */
function librariesOf(program: string, environment: NodeJS.ProcessEnv): Map<string, string> {
  const libraries = new Map<string, string>()
  const listing = execFileSync('ldd', [program], { encoding: 'utf8', env: environment })
  for (const [, name, file] of listing.matchAll(/^\s+(?:(\S+) => )?(\/\S+) \(/gm)) {
    libraries.set(name === undefined ? (file as string) : `/lib/${name}`, file as string)
  }
  return libraries
}

/** All but the script, which each test has its own of; archives may follow each other. */
export function makeBase(packages: Packages, file: string): void {
  const archive = new Archive()
  archive.file('bin/busybox', fs.readFileSync(packages.program('busybox')))
  for (const name of MODULES) archive.file(`modules/${name}.ko`, fs.readFileSync(packages.module(name)), 0o644)
  const fio = packages.program('fio')
  archive.file('bin/fio', fs.readFileSync(fio))
  for (const [wanted, library] of librariesOf(fio, packages.environment)) {
    archive.file(wanted.slice(1), fs.readFileSync(library))
  }
  fs.writeFileSync(file, archive.end())
}

/** Adds a script: what it prints is on the console. */
export function makeInitramfs(base: string, script: string, file: string): void {
  const init = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs tmp /dev/shm
for module in ${MODULES.join(' ')}; do insmod /modules/$module.ko || echo "@fail insmod $module"; done
${script}
echo @end
sync
poweroff -f
`
  const archive = new Archive()
  archive.file('init', Buffer.from(init))
  fs.copyFileSync(base, file)
  fs.appendFileSync(file, archive.end())
}
