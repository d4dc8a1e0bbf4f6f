/** Signals that abort, asked by what they were when this package was loaded. */
import { uncurryThis } from './intrinsics'
import { realm } from './realm'

const { AbortSignal } = realm
const addListener = uncurryThis(realm.EventTarget.prototype.addEventListener)
const removeListener = uncurryThis(realm.EventTarget.prototype.removeEventListener)

/** The getter of a signal, as a function. Look-alikes of signals are refused by the engine. */
function getter(name: 'aborted' | 'reason'): (signal: AbortSignal) => unknown {
  return uncurryThis(Object.getOwnPropertyDescriptor(AbortSignal.prototype, name)?.get as (this: unknown) => unknown)
}
export const isAborted = getter('aborted')
export const reasonOf = getter('reason')

/** Calls back when a signal aborts; returns what cancels that. */
export function listen(signal: AbortSignal, callback: () => void): () => void {
  addListener(signal, 'abort', callback, { once: true })
  return () => removeListener(signal, 'abort', callback)
}
