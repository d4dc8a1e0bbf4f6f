/** What JavaScript expects of the native classes and Rust cannot give them. */
import type * as VmMemory from '../index'
import { takeDoor } from './door'
import { installFastPaths } from './fast'
import { installInspection } from './inspection'
import { installLasting } from './lasting'
import { installLockAsync } from './lock-async'
import { installProtocols } from './protocols'
import { installReceivers } from './receivers'
import { installSameness } from './sameness'

export function install(native: typeof VmMemory): void {
  const door = takeDoor(native)
  if (door === null) return
  installReceivers(native)
  installLasting(native)
  installFastPaths(native, door)
  installProtocols(native)
  installLockAsync(native, door)
  installInspection(native)
  installSameness(native)
}
