/** Loads the addon: the binary of this platform, which is in a package of its own. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import type * as VmMemory from '../index'
import type { Door } from './door'
import { isPlatform, type Platform, platformHere } from './platforms'
import { isMissing, noBinaryFor, notLoaded, otherVersion } from './unavailable'
import { VERSION } from './version'

/** What the binary exports: the classes, with what users never see. */
export type Addon = typeof VmMemory & { door?: Door }

/** Takes the exports of the first load in this thread out of what a second one throws: see `crate/src/lifecycle.rs`. */
function recover(platform: Platform, error: unknown): unknown {
  const { exports } = Object(error) as { exports?: unknown }
  if (exports === undefined) throw notLoaded(platform, error)
  return exports
}

function openFile(platform: Platform, file: string): unknown {
  const module = { exports: {} }
  try {
    process.dlopen(module, file)
    return module.exports
  } catch (error) {
    return recover(platform, error)
  }
}

/** Finds what `npm run build` has left in a checkout. A bundle may be a module without a folder, and has its addon in it. */
function findBuild(platform: Platform): string | null {
  if (typeof __dirname !== 'string') return null
  const file = join(__dirname, '..', `vm-memory.${platform}.node`)
  return existsSync(file) ? file : null
}

/** Requires the binary. Bundlers and tracers follow constant names, and let those be missing that are within `try`. */
function requireBinary(platform: Platform): unknown {
  try {
    switch (platform) {
      case 'darwin-arm64':
        return require('vm-memory-darwin-arm64')
      case 'darwin-x64':
        return require('vm-memory-darwin-x64')
      case 'linux-arm64-gnu':
        return require('vm-memory-linux-arm64-gnu')
      case 'linux-arm64-musl':
        return require('vm-memory-linux-arm64-musl')
      case 'linux-x64-gnu':
        return require('vm-memory-linux-x64-gnu')
      case 'linux-x64-musl':
        return require('vm-memory-linux-x64-musl')
    }
  } catch (error) {
    const build = isMissing(error) ? findBuild(platform) : null
    return build === null ? recover(platform, error) : openFile(platform, build)
  }
}

export function load(): Addon {
  const platform = platformHere()
  if (!isPlatform(platform)) throw noBinaryFor(`${process.platform}-${process.arch}`)
  // Tests name another build.
  const { NAPI_RS_NATIVE_LIBRARY_PATH: named } = process.env
  const addon = (named ? openFile(platform, named) : requireBinary(platform)) as Addon
  const { door } = addon
  // Behind the plus there is what it was built of. Other builds may have no version at all.
  const built = door === undefined ? VERSION : String(door.version).replace(/\+.*/, '')
  if (built !== VERSION) throw otherVersion(platform, VERSION, built)
  return addon
}
