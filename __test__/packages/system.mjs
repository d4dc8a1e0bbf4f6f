// Tells what it runs on, and which binary was loaded there.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import 'vm-memory'

const { header, sharedObjects } = process.report.getReport()
const onPath = (program) => process.env.PATH.split(':').some((folder) => fs.existsSync(path.join(folder, program)))
const told = {
  os: process.platform,
  cpu: process.arch,
  libc:
    process.platform === 'linux'
      ? header.glibcVersionRuntime
        ? `glibc ${header.glibcVersionRuntime}`
        : 'musl'
      : undefined,
  binaries: sharedObjects.filter((file) => file.endsWith('.node')).map((file) => path.basename(file)),
  compiler: ['cargo', 'rustc', 'cc'].some(onPath),
}
console.log(JSON.stringify(told))
