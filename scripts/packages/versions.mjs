// What packaging and its tests take from registries, by version.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/** The linker for all targets, and what makes cargo use it; packages of Python. */
export const ZIG = '0.17.1'
export const CARGO_ZIGBUILD = '0.24.0'

/** Releases of Node.js that the specs run on, each in its newest version. */
export const NODE_RELEASES = ['20', '22', '24', '26']
/** The oldest version that the package is for. The tools of the specs want a newer one. */
export const OLDEST_NODE = '20.17.0'
export const BUN = '1.4.5'
export const DENO = '2.9.6'

/** What bundles programs, traces their files and runs their tests, and what these need for addons. */
export const BUNDLERS = [
  'esbuild@0.28.2',
  'webpack@5.112.2',
  'webpack-cli@7.3.1',
  'node-loader@2.1.0',
  'rollup@4.68.8',
  '@rollup/plugin-commonjs@29.0.3',
  '@rollup/plugin-node-resolve@16.0.3',
  '@vercel/ncc@0.45.0',
  '@vercel/nft@1.11.5',
]
export const TEST_RUNNERS = ['jest@30.5.2', 'vitest@4.1.12']

/** Node.js for musl; a package of Python. */
export const MUSL_NODE = '24.19.0'
/** The Debian whose glibc packages are tried on, and the one whose musl runs the Node.js above. */
export const OLD_DEBIAN = 'bullseye'
export const MUSL_DEBIAN = 'trixie'
/** The Debian whose QEMU runs what is for arm64. */
export const QEMU_DEBIAN = 'bookworm'
