/** Writes docs/map-changes.svg: what is mapped while a map of four regions is changed 20 000 times, with `release` and without it. */
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { plotMapChanges, type MapChange } from './plots.js'

const CHANGES = 20_000
const script = path.join(import.meta.dirname, '../__test__/release/map-changes.mjs')

function run(...args: string[]): MapChange[] {
  const output = execFileSync(process.execPath, [script, String(CHANGES), ...args], {
    encoding: 'utf8',
    maxBuffer: 1e8,
  })
  const counts = output.trimEnd().split('\n')
  return counts.map((line) => JSON.parse(line) as MapChange)
}

const released = run()
const left = run('leave')
fs.writeFileSync(path.join(import.meta.dirname, '../docs/map-changes.svg'), plotMapChanges(released, left))
for (const [name, counts] of Object.entries({ released, left })) {
  const most = (what: keyof MapChange): number => Math.max(...counts.map((count) => count[what]))
  console.log(
    name,
    `at most ${most('mappings')} mappings, ${most('descriptors')} descriptors, ${most('mebibytes')} MiB`,
  )
}
