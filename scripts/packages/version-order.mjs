// Versions such as 2.17, in their order.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

const compare = (version, other) => version.localeCompare(other, 'en', { numeric: true })

export const isNewer = (version, other) => compare(version, other) > 0

/** Undefined of none. @param {readonly string[]} versions */
export const newestOf = (versions) => versions.toSorted(compare).at(-1)
