/**
 * A contender's process: `contender.ts <id> <group>`. Each has its own, so that no one's use of the engine colours
 * another's. Answers on standard output, line by line: `list` with the works it has, `run <n> <work>` with what it took.
 */
import { createInterface } from 'node:readline'
import type { Loop } from './loop.js'
import type { Works } from './contenders/works.js'

const MODULES: Record<string, string> = {
  'vm-memory': './contenders/vm-memory.js',
  'vm-memory-native': './contenders/vm-memory.js',
  table: './contenders/table.js',
  'koffi-view': './contenders/koffi-view.js',
  'koffi-decode': './contenders/koffi-decode.js',
  'ffi-rs': './contenders/ffi-rs.js',
  file: './contenders/file.js',
}

const [id = '', group = ''] = process.argv.slice(2)
const module = MODULES[id]
if (module === undefined) throw new Error(`no contender ${id}`)
const { provide } = (await import(module)) as { provide: (group: string, works: Works) => void }
const works: Works = new Map()
provide(group, works)

const loops = new Map<string, Loop>()

function loopOf(work: string): Loop {
  const known = loops.get(work)
  if (known) return known
  const make = works.get(work)
  if (!make) throw new Error(`${id} has no work ${work}`)
  const made = make()
  loops.set(work, made)
  return made
}

async function answer(line: string): Promise<unknown> {
  if (line === 'list') return [...works.keys()]
  const [, iterations, work = ''] = /^run (\d+) (.+)$/.exec(line) ?? []
  return loopOf(work)(Number(iterations))
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`)
}
process.exit()
