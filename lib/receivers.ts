/**
 * Getters on a wrong `this`. The engine refuses methods on a foreign receiver by itself, with a TypeError; getters of an
 * addon are left to the glue, whose errors are of its own kind.
 */
import type * as VmMemory from '../index'
import { apply } from './intrinsics'
import { realm } from './realm'

const { TypeError } = realm
const { assign } = realm.Object

export function isClass(value: unknown): value is { name: string; prototype: object } {
  return typeof value === 'function' && Object.hasOwn(value, 'prototype')
}

/** The same getter, with the engine's error. */
function refuse(get: () => unknown): () => unknown {
  return {
    get(this: unknown): unknown {
      try {
        return apply(get, this, [])
      } catch (error) {
        if ((error as { code?: unknown }).code === 'InvalidArg') {
          throw assign(new TypeError('Illegal invocation'), { code: 'ERR_INVALID_ARG_TYPE' })
        }
        throw error
      }
    },
  }.get
}

export function installReceivers(native: typeof VmMemory): void {
  for (const value of Object.values<unknown>(native)) {
    if (!isClass(value)) continue
    for (const [name, { get, ...rest }] of Object.entries(Object.getOwnPropertyDescriptors(value.prototype))) {
      if (get) Object.defineProperty(value.prototype, name, { ...rest, get: refuse(get) })
    }
  }
}
