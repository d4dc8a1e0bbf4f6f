/**
 * The package, as an instance of it that may not be the first in its thread: test runners have one for each file. All
 * instances share the classes of the addon; the first has installed itself on them.
 */
import type * as VmMemory from '../index'
import { addon } from './addon'
import type * as InstallModule from './install'
import { type Timers, timersHere, useTimers } from './timers'

/** Where the first instance leaves what later ones ask of it: on the addon, which has no other place that they can see. */
const FIRST: unique symbol = Symbol.for('vm-memory.first')

interface First {
  useTimers(timers: Timers): void
}

const { [FIRST]: first } = addon as { [FIRST]?: First }
if (first === undefined) {
  // Not before it is known that they are needed: its modules cannot do without the door, which only the first instance has.
  const { install } = require('./install') as typeof InstallModule
  install()
  const left: First = { useTimers }
  Object.defineProperty(addon, FIRST, { value: left })
} else {
  first.useTimers(timersHere)
}

export const native: typeof VmMemory = addon
