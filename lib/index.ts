/** What JavaScript expects of the native classes and Rust cannot give them. */
import type * as VmMemory from '../index'
import { installFastPaths } from './fast'
import { installInspection } from './inspection'
import { installLasting } from './lasting'
import { installLockAsync } from './lock-async'
import { installProtocols } from './protocols'
import { installReceivers } from './receivers'

export function install(native: typeof VmMemory): void {
  // What is taken off the classes tells whether another instance of this module has been here, as test runners have them.
  if (!('internals' in native)) return
  const internals = Reflect.get(native, 'internals') as Parameters<typeof installLockAsync>[1]
  Reflect.deleteProperty(native, 'internals')
  installReceivers(native)
  installLasting(native)
  installFastPaths(native)
  installProtocols(native)
  installLockAsync(native, internals)
  installInspection(native)
}
