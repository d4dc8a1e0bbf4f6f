// What the addon counts and does not show: asked for before `lib/` takes the door away.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { createRequire } from 'node:module'

const { door } = createRequire(import.meta.url)('../../dist/load.js').load()

/** How many buffers a thread that has ended may have given away: see `crate/src/node/external.rs`. */
export const keptForEver = () => door?.keptForEver() ?? 0

const alarm = new Uint32Array(door?.alarmCells() ?? 4)

/** How many faults were recovered: each is counted before and after its memory is replaced. */
export const recovered = () => Math.floor(Atomics.load(alarm, 0) / 2)
