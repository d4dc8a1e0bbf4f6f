// Debian packages, unpacked into a folder instead of installed.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

/** Something is not there, and cannot be had here. */
export class MissingError extends Error {
  override readonly name = 'MissingError'
}

/** What is unpacked into one folder. */
export interface PackageSet {
  /** The folder's, in the user's cache. */
  readonly name: string
  readonly packages: readonly string[]
  /** A package that depends on the newest kernel. */
  readonly kernel?: string
}

export const QEMU: PackageSet = {
  name: 'qemu',
  packages: ['qemu-system-x86', 'qemu-utils', 'fio', 'busybox-static'],
  kernel: 'linux-image-cloud-amd64',
}
export const NBD_CLIENTS: PackageSet = {
  name: 'nbd',
  packages: ['libnbd-bin', 'python3-libnbd', 'nbdkit', 'qemu-utils', 'fio'],
}

const LIBRARIES = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu']

function run(command: string, args: readonly string[], cwd?: string): string {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
  })
}

/** The programs and the kernel, wherever they are. */
export class Packages {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  /** A program of a package, or the one of the machine where it is installed. */
  program(name: string): string {
    const folders = ['usr/bin', 'bin', 'usr/sbin'].map((folder) => path.join(this.#root, folder))
    folders.push('/usr/bin', '/bin')
    for (const folder of folders) {
      const file = path.join(folder, name)
      if (fs.existsSync(file)) return file
    }
    throw new MissingError(`${name} is missing`)
  }

  /** What programs need to find their libraries, modules of Python, and each other. QEMU finds its files relative to itself. */
  get environment(): NodeJS.ProcessEnv {
    const folders = LIBRARIES.flatMap((library) =>
      ['', 'ceph', 'blas', 'lapack', 'pulseaudio'].map((sub) => path.join(library, sub)),
    )
    return {
      ...process.env,
      PATH: [path.join(this.#root, 'usr/bin'), '/usr/bin', '/bin'].join(':'),
      PYTHONPATH: path.join(this.#root, 'usr/lib/python3/dist-packages'),
      LD_LIBRARY_PATH: folders.map((folder) => path.join(this.#root, folder)).join(':'),
      QEMU_MODULE_DIR: path.join(this.#root, 'usr/lib/x86_64-linux-gnu/qemu'),
    }
  }

  /** The file of a plugin of nbdkit, which looks for them where it was meant to be installed. */
  nbdkitPlugin(name: string): string {
    const file = path.join('usr/lib/x86_64-linux-gnu/nbdkit/plugins', `nbdkit-${name}-plugin.so`)
    const unpacked = path.join(this.#root, file)
    return fs.existsSync(unpacked) ? unpacked : path.join('/', file)
  }

  /** Where QEMU looks for its firmware. */
  get firmware(): readonly string[] {
    return ['usr/share/qemu', 'usr/share/seabios', 'usr/lib/ipxe/qemu']
      .flatMap((folder) => [path.join(this.#root, folder), path.join('/', folder)])
      .filter((folder) => fs.existsSync(folder))
  }

  get kernel(): string {
    const boot = path.join(this.#root, 'boot')
    const name = fs.readdirSync(boot).find((file) => file.startsWith('vmlinuz-'))
    if (name === undefined) throw new MissingError('the package of the kernel has no kernel')
    return path.join(boot, name)
  }

  /** The file of a kernel module. */
  module(name: string): string {
    const folder = path.join(this.#root, 'lib/modules')
    const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' })
    const file = files.find((each) => path.basename(each) === `${name}.ko`)
    if (file === undefined) throw new MissingError(`the kernel has no module ${name}`)
    return path.join(folder, file)
  }
}

function download({ packages, kernel }: PackageSet, folder: string): void {
  const archives = path.join(folder, 'partial')
  fs.mkdirSync(archives, { recursive: true })
  run('apt-get', ['update', '-qq'])
  const options = ['-qq', '-y', '--download-only', '--no-install-recommends', '-o', `Dir::Cache::archives=${folder}`]
  run('apt-get', ['install', ...options, ...packages])
  if (kernel === undefined) return
  const newest = /Depends: (linux-image-\S+)/.exec(run('apt-cache', ['depends', kernel]))?.[1]
  if (newest === undefined) throw new MissingError(`no kernel in ${kernel}`)
  run('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', newest], folder)
}

/** Unpacks what there is, or downloads it first; needs Debian, and root for apt. */
export function preparePackages(set: PackageSet): Packages {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new MissingError('this is for Linux on x86-64')
  const cache = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache')
  const folder = path.join(cache, `vm-memory-${set.name}`)
  const root = path.join(folder, 'root')
  const complete = path.join(folder, 'complete')
  if (fs.existsSync(complete)) return new Packages(root)
  const archives = path.join(folder, 'archives')
  try {
    download(set, archives)
    fs.rmSync(root, { recursive: true, force: true })
    fs.mkdirSync(root, { recursive: true })
    for (const file of fs.readdirSync(archives)) {
      if (file.endsWith('.deb')) run('dpkg', ['-x', path.join(archives, file), root])
    }
  } catch (error) {
    const stderr = error instanceof Error && 'stderr' in error ? `: ${String(error.stderr).trim()}` : ''
    const wanted = [...set.packages, ...(set.kernel === undefined ? [] : [set.kernel])].join(', ')
    throw new MissingError(`${wanted} of Debian are needed, and cannot be downloaded (${String(error)}${stderr})`, {
      cause: error,
    })
  }
  fs.rmSync(archives, { recursive: true })
  fs.writeFileSync(complete, '')
  return new Packages(root)
}
