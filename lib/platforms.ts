/** What there are binaries for, each in a package of its own. */
import process from 'node:process'

/** Names the platforms as the packages do: those of `napi.targets` in package.json, which a test compares. */
export const PLATFORMS = [
  'darwin-arm64',
  'darwin-x64',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'linux-x64-gnu',
  'linux-x64-musl',
] as const

export type Platform = (typeof PLATFORMS)[number]

/** Tells which C library this process runs on: its own answer, since a host may have both. */
function libc(): 'gnu' | 'musl' {
  const { report } = process as { report?: NodeJS.ProcessReport & { excludeNetwork?: boolean } }
  if (report === undefined) return 'gnu'
  // The names of all peers of all sockets would be looked up.
  const { excludeNetwork } = report
  report.excludeNetwork = true
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
    return header !== undefined && header.glibcVersionRuntime === undefined ? 'musl' : 'gnu'
  } finally {
    report.excludeNetwork = excludeNetwork
  }
}

/** Names the platform of this process: of the kind that there are binaries for, or some other one. */
export function platformHere(): string {
  const { platform, arch } = process
  return platform === 'linux' ? `${platform}-${arch}-${libc()}` : `${platform}-${arch}`
}

export function isPlatform(name: string): name is Platform {
  return (PLATFORMS as readonly string[]).includes(name)
}
