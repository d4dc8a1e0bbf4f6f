// Random sequences of operations, answered by the package and by a plain model of guest memory. After each of them both
// must have given the same answer, and be in the same state.
//
// VM_MEMORY_PROPERTY_RUNS sets how many sequences each test tries. A failure tells a seed and the path to the smallest
// sequence that was found: VM_MEMORY_PROPERTY_SEED and VM_MEMORY_PROPERTY_PATH run that again.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'

import test, { type ExecutionContext } from 'ava'
import * as fc from 'fast-check'

import { access, slices } from './property/access-operations.js'
import { layout, type Operation } from './property/arbitrary.js'
import { derivation, lookUps, snapshots } from './property/map-operations.js'
import { Model, ModelRegion } from './property/model.js'
import { PackageUnderTest } from './property/package-under-test.js'
import { tracking, transfers } from './property/transfer-operations.js'
import { attempt, type Layout, World } from './property/world.js'

const { VM_MEMORY_PROPERTY_RUNS, VM_MEMORY_PROPERTY_SEED, VM_MEMORY_PROPERTY_PATH } = process.env

const parameters: Pick<fc.Parameters, 'includeErrorInReport' | 'numRuns' | 'path' | 'seed'> = {
  includeErrorInReport: true,
  numRuns: Number(VM_MEMORY_PROPERTY_RUNS ?? 250),
  ...(VM_MEMORY_PROPERTY_SEED !== undefined && { seed: Number(VM_MEMORY_PROPERTY_SEED) }),
  ...(VM_MEMORY_PROPERTY_PATH !== undefined && { path: VM_MEMORY_PROPERTY_PATH }),
}

/** Tells the model where regions are mapped, which it cannot know, and tests need not care about. */
function tellHostAddresses(model: World, real: World): void {
  for (const [index, { region }] of model.regions.entries()) {
    const counterpart = real.regions[index]
    if (region instanceof ModelRegion && counterpart !== undefined) region.mapping.host = counterpart.region.asPtr()
  }
}

function run(file: string, layout: Layout, operations: readonly Operation[]): void {
  const underTest = new PackageUnderTest(file)
  const real = new World(underTest, layout)
  const model = new World(new Model(), layout)
  try {
    for (const [index, operation] of operations.entries()) {
      tellHostAddresses(model, real)
      const [actual, expected] = [attempt(() => operation.apply(real)), attempt(() => operation.apply(model))]
      assert.deepEqual(actual, expected, `operation ${index}: ${fc.stringify(operation)}`)
      assert.deepEqual(real.state(), model.state(), `the state after operation ${index}: ${fc.stringify(operation)}`)
    }
  } finally {
    real.end()
    underTest.close()
  }
}

function behavesAsTheModel(t: ExecutionContext, kinds: readonly fc.Arbitrary<Operation>[], length: number): void {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'vm-memory-'))
  t.teardown(() => fs.rmSync(directory, { recursive: true }))
  const sequences = fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: length, size: 'max' })
  t.notThrows(() =>
    fc.assert(
      fc.property(layout, sequences, (layout, operations) => run(path.join(directory, 'file'), layout, operations)),
      parameters,
    ),
  )
}

test('any sequence of accesses by copy', (t) => behavesAsTheModel(t, [...access, ...derivation], 30))

test('any sequence of operations on slices', (t) => behavesAsTheModel(t, [...slices, ...slices, ...access], 30))

test('any sequence of look-ups and derivations', (t) => behavesAsTheModel(t, [...lookUps, ...derivation], 30))

test('any sequence of transfers, with dirty tracking', (t) =>
  behavesAsTheModel(t, [...transfers, ...tracking, ...slices], 30))

test('any sequence of snapshots and replacements', (t) =>
  behavesAsTheModel(t, [...snapshots, ...derivation, ...lookUps, ...access], 40))

test('any sequence of all of them', (t) =>
  behavesAsTheModel(t, [...access, ...slices, ...lookUps, ...derivation, ...snapshots, ...transfers, ...tracking], 60))
