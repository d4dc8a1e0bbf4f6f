// Runs the type test of `__test__/types` where the agreed declarations lie beside the checkout, and sees that it can fail.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

const root = fileURLToPath(new URL('..', import.meta.url))
const agreed = path.join(root, '..', 'shared', 'api', 'vm-memory.d.ts')
const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')

async function check(project: string): Promise<{ status: number; output: string }> {
  const child = spawn(process.execPath, [compiler, '-p', project, '--pretty', 'false'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'close') as Promise<[number]>
  const output = await text(child.stdout)
  return { status: (await exit)[0], output }
}

/** A copy of everything that the type test reads, in which the generated declarations can be changed. */
function copyOfDeclarations(t: ExecutionContext, change: (declarations: string) => string): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-types-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true }))
  const copy = path.join(directory, 'package')
  fs.cpSync(path.join(root, '__test__', 'types'), path.join(copy, '__test__', 'types'), { recursive: true })
  for (const file of ['package.json', 'tsconfig.json', '__test__/package.json']) {
    fs.copyFileSync(path.join(root, file), path.join(copy, file))
  }
  fs.symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  fs.mkdirSync(path.join(directory, 'shared', 'api'), { recursive: true })
  fs.copyFileSync(agreed, path.join(directory, 'shared', 'api', path.basename(agreed)))
  const declarations = fs.readFileSync(path.join(root, 'index.d.ts'), 'utf8')
  const changed = change(declarations)
  t.not(changed, declarations, 'there is something to change')
  fs.writeFileSync(path.join(copy, 'index.d.ts'), changed)
  return path.join(copy, '__test__', 'types')
}

/** Declarations that are wrong in one place, and the alias in the type test that must notice. */
const MISTAKES: [what: string, pattern: RegExp, replacement: string][] = [
  ['a class that is another', /export declare class FileOffset\b/, 'export declare class FileOffsets'],
  ['a method under another name', /\bfindRegion\(/, 'findRegionAt('],
  ['a property of another type', /readonly lastAddr: bigint|get lastAddr\(\): bigint/, 'readonly lastAddr: string'],
  ['an address that may only be a number', /\btoRegionAddr\(addr: U64\)/, 'toRegionAddr(addr: number)'],
  ['a scalar type that is missing', /\| 'le32'/, ''],
  ['an error code that is missing', /\| 'ERR_PROTECTION'/, ''],
]

if (fs.existsSync(agreed)) {
  test.serial('the generated declarations are as agreed', async (t) => {
    const { status, output } = await check(path.join(root, '__test__', 'types'))
    t.is(output, '')
    t.is(status, 0)
  })

  for (const [what, pattern, replacement] of MISTAKES) {
    test.serial(`the type test notices ${what}`, async (t) => {
      const project = copyOfDeclarations(t, (declarations) => declarations.replace(pattern, replacement))
      const { status, output } = await check(project)
      t.not(status, 0)
      t.regex(output, /\bapi\.ts\(\d+,\d+\): error TS/)
    })
  }
} else {
  test('no agreed declarations lie beside this checkout, so none are compared', (t) => {
    t.log(`looked for ${path.relative(root, agreed)}`)
    t.pass()
  })
}
