// Where npm run pack:all leaves what is published.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import path from 'node:path'
import { manifest, root } from '../targets.mjs'

export const TARBALLS = path.join(root, 'target', 'packages')

/** As npm names them. */
export const tarballOf = (packageName) => `${packageName}-${manifest.version}.tgz`
