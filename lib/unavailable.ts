/** Why the addon cannot be loaded. */

/** Names what there are binaries for, each in a package of its own: `napi.targets` of package.json, which a test compares. */
export const PLATFORMS = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
]

/** In place of the loader's error, which blames npm; other errors as they are. */
export function unavailable(error: unknown): unknown {
  // The loader's own error is the one that has no code.
  if (!(error instanceof Error) || 'code' in error) return error
  const here = `${process.platform}-${process.arch}`
  const packages = PLATFORMS.filter((platform) => platform === here || platform.startsWith(`${here}-`)).map(
    (platform) => `vm-memory-${platform}`,
  )
  const [code, message] =
    packages.length === 0
      ? ['ERR_UNSUPPORTED_PLATFORM', `vm-memory has no binary for ${here}, but for ${PLATFORMS.join(', ')}`]
      : [
          'ERR_BINARY_NOT_LOADED',
          `vm-memory has no binary for ${here} that loads: is ${packages.join(' or ')} installed?`,
        ]
  return Object.assign(new Error(message, { cause: error.cause }), { code })
}
