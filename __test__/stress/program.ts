// A part of the suite that is a process of its own: it may end by a signal.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Report } from './run.js'

/** Runs a program that prints what was survived as JSON, and on standard error what went wrong. */
export async function runProgram(script: string, args: readonly string[]): Promise<Report> {
  const program = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const closed = once(child, 'close') as Promise<[code: number | null, signal: string | null]>
  const [output, errors, [code, signal]] = await Promise.all([text(child.stdout), text(child.stderr), closed])
  const failures = errors.trim() === '' ? [] : [errors.trim()]
  if (code !== 0) failures.push(`${script} ended with ${signal ?? code}`)
  const survived = output === '' ? {} : (JSON.parse(output) as Record<string, number>)
  return { survived, failures }
}
