// That all places that name platforms name those that package.json has binaries built for.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseTriple } from '@napi-rs/cli'
import test from 'ava'

import { PLATFORMS } from '../lib/platforms.js'

const root = fileURLToPath(new URL('..', import.meta.url))

const { napi } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as { napi: { targets: string[] } }
const platforms = napi.targets.map((triple) => parseTriple(triple).platformArchABI).toSorted()

test('the error of a platform without a binary names those with one', (t) => {
  t.deepEqual([...PLATFORMS].toSorted(), platforms)
})

test('each has a package', (t) => {
  t.deepEqual(fs.readdirSync(path.join(root, 'npm')).toSorted(), platforms)
})
