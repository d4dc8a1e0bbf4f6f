/** Where and with what was measured. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'

function versionOf(folder: string): string {
  const text = readFileSync(new URL(`../${folder}/package.json`, import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function crateVersion(name: string): string {
  const lock = readFileSync(new URL('rust/Cargo.lock', import.meta.url), 'utf8')
  return new RegExp(`name = "${name}"\nversion = "([^"]+)"`).exec(lock)?.[1] ?? 'unknown'
}

function rustcVersion(): string {
  return execFileSync('rustc', ['--version'], { encoding: 'utf8' }).split(' ')[1] ?? 'unknown'
}

export function describeMachine(): [what: string, value: string][] {
  const processors = cpus()
  return [
    ['processor', `${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} cores`],
    ['memory', `${Math.round(totalmem() / 2 ** 30)} GiB`],
    ['system', `${type()} ${release()}, ${process.arch}`],
    ['Node.js', `${process.versions.node} (V8 ${process.versions.v8})`],
    ['Rust', `${rustcVersion()}, vm-memory ${crateVersion('vm-memory')}`],
    [
      'packages',
      `vm-memory ${versionOf('.')}, koffi ${versionOf('node_modules/koffi')}, ffi-rs ${versionOf('node_modules/ffi-rs')}`,
    ],
  ]
}
