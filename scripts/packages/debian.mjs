// Packages of Debian, unpacked into a folder instead of installed: of any release and architecture, and without root.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { run } from './program.mjs'

const HINT = 'this runs on Debian'
const KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg'

/** Where the machine itself has its packages from. */
function mirror() {
  const addresses = run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages'], { hint: HINT })
  const address = addresses.split('\n').find((each) => /\/debian\/?$/.test(each))
  if (address === undefined) throw new Error(`apt knows no archive of Debian: ${HINT}`)
  return address
}

/** apt, as if on a machine that has nothing installed yet. */
function download(folder, release, architecture, packages) {
  const apt = mkdtempSync(path.join(os.tmpdir(), 'vm-memory-apt-'))
  try {
    for (const each of ['lists/partial', 'archives/partial']) mkdirSync(path.join(apt, each), { recursive: true })
    writeFileSync(path.join(apt, 'status'), '')
    writeFileSync(path.join(apt, 'sources.list'), `deb [signed-by=${KEYS}] ${mirror()} ${release} main\n`)
    const options = [
      `APT::Architecture=${architecture}`,
      `APT::Architectures=${architecture}`,
      'APT::Sandbox::User=root',
      'Acquire::Languages=none',
      `Dir::State=${apt}`,
      `Dir::State::status=${path.join(apt, 'status')}`,
      `Dir::Cache=${apt}`,
      `Dir::Etc::SourceList=${path.join(apt, 'sources.list')}`,
      'Dir::Etc::SourceParts=-',
    ].flatMap((option) => ['-o', option])
    run('apt-get', ['-qq', ...options, 'update'])
    run('apt-get', ['-qq', ...options, 'download', ...packages], { cwd: folder })
  } finally {
    rmSync(apt, { recursive: true })
  }
}

/** Unpacks packages, by name, into a folder. */
export function unpackDebian(folder, release, architecture, ...packages) {
  download(folder, release, architecture, packages)
  for (const file of readdirSync(folder).filter((each) => each.endsWith('.deb'))) {
    run('dpkg', ['-x', path.join(folder, file), folder])
    rmSync(path.join(folder, file))
  }
  // Programs look for their loader in /lib, and newer packages have it in /usr/lib alone.
  for (const each of ['lib', 'lib64']) {
    const name = path.join(folder, each)
    if (!existsSync(name)) symlinkSync(`usr/${each}`, name)
  }
}
