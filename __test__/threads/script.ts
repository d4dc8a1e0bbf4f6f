// Programs that the specs of threads run in processes of their own.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

export const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Runs a script that must end by itself. */
export async function run(
  name: string,
  ...args: string[]
): Promise<{ code: number | null; output: string; errors: string }> {
  const child = spawn(process.execPath, [script(name), ...args], { timeout: 30_000, killSignal: 'SIGKILL' })
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await code, output, errors }
}
