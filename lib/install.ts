/** Installs what JavaScript expects of the native classes and Rust cannot give them. */
import { addon } from './addon'
import { installChanges } from './changes'
import { installFastPaths } from './fast'
import { installInspection } from './inspection'
import { installJobs } from './jobs'
import { installLasting } from './lasting'
import { installLockAsync } from './lock-async'
import { installMemoryFaults } from './memory-faults'
import { installProtocols } from './protocols'
import { door } from './realm'
import { installReceivers } from './receivers'
import { installRelease } from './release'
import { installSameness } from './sameness'
import { installSynchronize } from './synchronize'
import { installUncloneable } from './uncloneable'
import { installVmMemoryError } from './vm-memory-error'

export function install(): void {
  installReceivers(addon)
  installLasting(addon)
  installFastPaths(addon, door)
  installRelease(addon, door)
  installProtocols(addon)
  installLockAsync(addon, door)
  installSynchronize(addon, door)
  installChanges(addon, door)
  installMemoryFaults(addon, door)
  installVmMemoryError(addon, door)
  installJobs(addon, door)
  installInspection(addon)
  installSameness(addon)
  installUncloneable(door)
}
