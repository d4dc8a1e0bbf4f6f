// Offers tickets of another process, which come as JSON; prints what becomes of each.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import * as vm from '../../index.js'

const answers = JSON.parse(process.argv[2]).map((ticket) => {
  try {
    vm[ticket.type].fromShared(ticket)
    return 'taken'
  } catch ({ code }) {
    return code
  }
})
process.stdout.write(JSON.stringify(answers))
