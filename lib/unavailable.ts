/** Why the addon cannot be loaded, in an error that says so by itself. */
import { type Platform, PLATFORMS } from './platforms'

function refusal(code: string, message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, cause === undefined ? {} : { cause }), { code })
}

export function noBinaryFor(platform: string): Error {
  return refusal('ERR_UNSUPPORTED_PLATFORM', `vm-memory has no binary for ${platform}, but for ${PLATFORMS.join(', ')}`)
}

export function otherVersion(platform: Platform, wanted: string, found: string): Error {
  return refusal(
    'ERR_BINARY_NOT_LOADED',
    `vm-memory ${wanted} cannot use a binary of another build: that of vm-memory-${platform} is of version ${found}. ` +
      'Install both in the same version',
  )
}

/** Whether a package was not found. */
export function isMissing(error: unknown): boolean {
  return (Object(error) as { code?: unknown }).code === 'MODULE_NOT_FOUND'
}

/** Says why the binary of a platform, for which there is one, was not loaded. */
export function notLoaded(platform: Platform, cause: unknown): Error {
  const { code, message } = Object(cause) as { code?: unknown; message?: unknown }
  return refusal('ERR_BINARY_NOT_LOADED', `vm-memory has no binary here: ${reason(platform, code, message)}`, cause)
}

function reason(platform: Platform, code: unknown, message: unknown): string {
  const name = `vm-memory-${platform}`
  switch (code) {
    case 'MODULE_NOT_FOUND':
      return (
        `the package ${name} is not installed. It is an optional dependency: npm leaves it out with --omit=optional, ` +
        'and when it follows a package-lock.json that lacks it'
      )
    case 'ERR_DLOPEN_DISABLED':
    case 'ERR_ACCESS_DENIED':
      return (
        `this process may not load addons, such as that of ${name}. Node.js forbids them with --no-addons, and with ` +
        '--permission unless --allow-addons is given'
      )
    default:
      return `that of ${name} cannot be loaded (${String(message)})`
  }
}
