// What is no fault of a mapping that recovers goes where it went before. One argument: the case.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import { createRequire } from 'node:module'
import koffi from 'koffi'

const vm = createRequire(import.meta.url)('../../index.js')
const PAGE = vm.pageSize()

function truncated(options) {
  const fd = vm.memfdCreate('signals', 2 * PAGE, { seal: false })
  const mapping = vm.MmapRegion.fromFile(new vm.FileOffset(fd, 0), 2 * PAGE, options)
  fs.ftruncateSync(fd, PAGE)
  return mapping
}

const recovering = () => truncated({ recoverFaults: true })

/** Whether a mapping that recovers does. */
function recovers(mapping) {
  new Uint8Array(mapping.buffer)[PAGE] = 1
  return mapping.faults.length === 1
}

const libc = koffi.load(null)
const kill = libc.func('int kill(int, int)')
const SIGBUS = 7

const CASES = {
  'a fault of another mapping': () => {
    if (!recovers(recovering())) return
    new Uint8Array(truncated().buffer)[PAGE] = 1
  },
  'a signal that was sent': () => {
    if (recovers(recovering())) kill(process.pid, SIGBUS)
    // Node lets it end the process on a way back.
    while (Date.now() > 0);
  },
  'a listener that was there before': async () => {
    const heard = new Promise((resolve) => process.on('SIGBUS', resolve))
    const mapping = recovering()
    if (!recovers(mapping)) return
    kill(process.pid, SIGBUS)
    await heard
    process.removeAllListeners('SIGBUS')
    console.log('heard')
  },
  'a listener that comes afterwards': async () => {
    if (!recovers(recovering())) return
    const heard = new Promise((resolve) => process.on('SIGBUS', resolve))
    // The next mapping that asks puts the handler over that of the listener.
    if (!recovers(recovering())) return
    kill(process.pid, SIGBUS)
    await heard
    console.log('heard')
  },
  'listeners that come and go': () => {
    for (let time = 0; time < 100; time += 1) {
      const listener = () => {}
      process.on('SIGBUS', listener)
      recovering()
      process.off('SIGBUS', listener)
      if (!recovers(recovering())) return
    }
    console.log('recovers')
  },
  'a stack that overflows': () => {
    recovering()
    const descend = (depth) => descend(depth + 1) + 1
    try {
      descend(0)
    } catch (error) {
      console.log(error.name)
    }
  },
  'a trap of WebAssembly': () => {
    recovering()
    // (module (memory 1) (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))
    const code = Buffer.from(
      '0061736d0100000001060160017f017f030201000503010001070801046c6f616400000a0901070020002802000b',
      'hex',
    )
    try {
      new WebAssembly.Instance(new WebAssembly.Module(code)).exports.load(-8)
    } catch (error) {
      console.log(error.constructor.name)
    }
  },
  'no mapping that recovers': () => {
    const status = fs.readFileSync('/proc/self/status', 'utf8')
    const before = /SigCgt:\s*(\w+)/.exec(status)[1]
    truncated()
    console.log(before === /SigCgt:\s*(\w+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1])
  },
}

// A listener for a signal keeps nothing alive.
const alive = setInterval(() => {}, 1000)
await CASES[process.argv[2]]()
clearInterval(alive)
