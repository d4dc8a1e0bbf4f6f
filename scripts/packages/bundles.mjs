// Programs that were bundled with the package, started where there is no node_modules.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { copyFileSync, cpSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import process from 'node:process'
import { root } from '../targets.mjs'
import { expectLines } from './project.mjs'
import { run, start } from './program.mjs'
import { temporaryFolder } from './temporary.mjs'
import { tools } from './tools.mjs'
import { BUN, BUNDLERS } from './versions.mjs'

const PROGRAM = path.join(root, '__test__', 'packages', 'bundled.cjs')

/**
 * @typedef {object} Bundle
 * @property {string} title
 * @property {boolean} [stays] whether it is started where it was made, beside node_modules
 * @property {(site: Site) => readonly string[]} make makes the bundle, and returns the command that starts it
 *
 * @typedef {object} Site
 * @property {string} entry the program, in a project where the package is installed
 * @property {string} out an empty folder in that project
 * @property {(name: string, args: readonly string[]) => void} tool runs a program of a bundler in the project
 * @property {(name: string) => any} load gives a module of a bundler
 * @property {(name: string) => string} resolve finds a module of a bundler
 * @property {string} packageName what the binary is in
 */

const config = ({ out }, name, code) => {
  const file = path.join(out, '..', name)
  writeFileSync(file, code)
  return file
}

const withEsbuild = (...options) => {
  return ({ entry, out, tool }) => {
    const args = ['--bundle', '--platform=node', '--loader:.node=copy', '--log-level=error', ...options]
    tool('esbuild', [entry, ...args, `--outfile=${path.join(out, 'main.js')}`])
    return ['node', 'main.js']
  }
}

/** @type {readonly Bundle[]} */
export const bundles = [
  { title: 'esbuild, with .node files as copies', make: withEsbuild() },
  { title: 'esbuild --minify', make: withEsbuild('--minify') },
  {
    title: 'esbuild, as an ES module',
    make: (site) => {
      const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)"
      withEsbuild('--format=esm', `--banner:js=${banner}`)(site)
      writeFileSync(path.join(site.out, 'package.json'), '{ "type": "module" }')
      return ['node', 'main.js']
    },
  },
  { title: 'esbuild, with the package external', stays: true, make: withEsbuild('--external:vm-memory') },
  {
    title: 'webpack, with node-loader',
    make: (site) => {
      const file = config(
        site,
        'webpack.config.cjs',
        `module.exports = {
          mode: 'production',
          target: 'node',
          node: { __dirname: false },
          entry: ${JSON.stringify(site.entry)},
          output: { path: ${JSON.stringify(site.out)}, filename: 'main.js' },
          module: { rules: [{ test: /[.]node$/, loader: ${JSON.stringify(site.resolve('node-loader'))} }] },
        }`,
      )
      site.tool('webpack', ['--config', file])
      return ['node', 'main.js']
    },
  },
  {
    title: 'rollup, with .node files as assets',
    make: async ({ entry, out, load, packageName }) => {
      const { rollup } = load('rollup')
      const { default: commonjs } = load('@rollup/plugin-commonjs')
      const { default: nodeResolve } = load('@rollup/plugin-node-resolve')
      /** Copies addons beside the program, and has them required from there. */
      const addons = {
        name: 'addons',
        load(id) {
          if (!id.endsWith('.node')) return null
          cpSync(id, path.join(out, path.basename(id)))
          return `module.exports = require(${JSON.stringify(`./${path.basename(id)}`)})`
        },
        resolveId: (source) =>
          source.endsWith('.node') && source.startsWith('./') ? { id: source, external: true } : null,
      }
      const build = await rollup({
        input: entry,
        external: [/^node:/],
        plugins: [
          addons,
          nodeResolve({ extensions: ['.js', '.json', '.node'] }),
          // Packages of other platforms, which are not installed, stay what they are.
          commonjs({ extensions: ['.js', '.cjs', '.node'], ignoreTryCatch: (id) => id !== packageName }),
        ],
      })
      await build.write({ file: path.join(out, 'main.cjs'), format: 'cjs' })
      return ['node', 'main.cjs']
    },
  },
  {
    title: 'ncc',
    make: ({ entry, out, tool }) => {
      tool('ncc', ['build', entry, '--out', out, '--quiet'])
      // By the suffix of the program.
      return ['node', 'index.cjs']
    },
  },
  {
    title: 'bun build --compile',
    make: ({ entry, out }) => {
      const args = ['build', '--compile', entry, '--outfile', path.join(out, 'main')]
      run('npm', ['exec', '--yes', `--package=bun@${BUN}`, '--', 'bun', ...args], { cwd: path.dirname(entry) })
      return ['main']
    },
  },
  {
    title: 'the files that nft traces',
    make: async ({ entry, out, load }) => {
      const { nodeFileTrace } = load('@vercel/nft')
      const base = path.dirname(entry)
      const { fileList } = await nodeFileTrace([entry], { base })
      for (const file of fileList) cpSync(path.join(base, file), path.join(out, file))
      return ['node', path.basename(entry)]
    },
  },
]

/**
 * Makes a bundle in a project where the package is installed, and expects of it what it promises.
 * @param {Bundle} bundle
 * @param {string} project
 * @param {string} packageName
 */
export async function tryBundle({ make, stays = false }, project, packageName) {
  const folder = tools('bundlers', BUNDLERS)
  const require = createRequire(path.join(folder, 'package.json'))
  const entry = path.join(project, path.basename(PROGRAM))
  copyFileSync(PROGRAM, entry)
  const out = mkdtempSync(path.join(project, 'bundle-'))
  // Users have CommonJS in their projects too; this one is of ES modules.
  writeFileSync(path.join(out, 'package.json'), '{ "type": "commonjs" }')
  const [program, ...args] = await make({
    entry,
    out,
    packageName,
    tool: (name, args) => run(path.join(folder, 'node_modules', '.bin', name), args, { cwd: project }),
    load: require,
    resolve: require.resolve,
  })
  let cwd = out
  if (!stays) {
    cwd = temporaryFolder('bundle')
    cpSync(out, cwd, { recursive: true })
  }
  expectLines(start(program === 'node' ? process.execPath : path.join(cwd, program), args, { cwd }), ['fine'])
}
