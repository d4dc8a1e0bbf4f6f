// What the addon keeps until the process ends: asked for before `lib/` takes the door away.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { createRequire } from 'node:module'
import type { Addon } from '../../lib/load.js'

const { load } = createRequire(import.meta.url)('../../dist/load.js') as { load: () => Addon }
const { door } = load()

/** How many buffers a thread that has ended may have given away: see `crate/src/node/external.rs`. */
export const keptForEver = (): number => door?.keptForEver() ?? 0
