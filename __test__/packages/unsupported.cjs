// Tells what importing the package throws on a machine such as linux-riscv64.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

const process = require('node:process')

const [platform, arch] = process.argv[2].split('-')
Object.defineProperties(process, { platform: { value: platform }, arch: { value: arch } })
try {
  require('vm-memory')
} catch ({ code, message, cause }) {
  console.log(JSON.stringify({ code, message, cause: cause?.message }))
}
