// Another thread of a program: see `elsewhere`.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { parentPort, workerData } from 'node:worker_threads'

import vm from '../../../index.js'

const { ticket, body } = workerData

function run() {
  const make = new Function(`return ${body}`)
  try {
    return ['returns', make()(vm.GuestMemoryAtomic.fromShared(ticket), vm)]
  } catch ({ name, code, message }) {
    return ['throws', name, code, message]
  }
}
parentPort.postMessage(run())
