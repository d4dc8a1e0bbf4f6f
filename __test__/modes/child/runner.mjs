// One of the two processes: runs the programs that it is sent, and answers with what each step of them gave.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'

import vm from '../../../index.js'

import { Answers, originalsOf } from './answers.mjs'
import { countCalls } from './coverage.mjs'
import { SABOTAGES } from './sabotage.mjs'
import { Words } from './words.mjs'

/** Milliseconds after which a promise is called pending, which is an answer, too. */
const PATIENCE = 5000

const AsyncFunction = (async () => {}).constructor
const { Promise } = globalThis

const { coverage, sabotage } = JSON.parse(process.argv[2] ?? '{}')
const originals = originalsOf(vm)
const counts = coverage ? countCalls(vm) : null
// Only one of the two is to be wrong.
if (sabotage !== undefined && process.env.VM_MEMORY_FAST_PATHS !== '0') SABOTAGES[sabotage](vm)

async function settled(promise) {
  const patience = new AbortController()
  const pending = delay(PATIENCE, 'pending', { signal: patience.signal }).catch(() => {})
  try {
    return await Promise.race([promise, pending])
  } finally {
    patience.abort()
  }
}

/** Runs a program, and returns an answer for each step. */
async function run({ names, steps }) {
  const answers = new Answers(vm, originals)
  const words = new Words(vm, answers)
  const transcript = []
  const step = async (body) => {
    try {
      const value = body()
      transcript.push(answers.describe(value instanceof Promise ? await settled(value) : value))
    } catch (error) {
      transcript.push(`throws ${answers.describe(error)}`)
    }
  }
  const scope = { ...vm, ...words.all(), step }
  const source = [
    "'use strict'",
    ...(names.length > 0 ? [`let ${names.join(', ')}`] : []),
    ...steps.map((code) => `await step(${code.includes('await ') ? 'async ' : ''}() => (${code}))`),
  ].join('\n')
  try {
    await new AsyncFunction(...Object.keys(scope), source)(...Object.values(scope))
  } finally {
    words.end()
  }
  return transcript
}

let programs = 0
process.on('message', async ({ id, program }) => {
  const transcript = await run(program)
  programs += 1
  // What programs leave behind is theirs to the end, but mappings are more than the engine knows of.
  if (programs % 8 === 0) globalThis.gc()
  process.send({ id, transcript, ...(counts && { covered: [...counts] }) })
})
process.on('disconnect', () => process.exit())
process.send({ ready: true })
