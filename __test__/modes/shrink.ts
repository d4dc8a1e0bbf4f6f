// The least of a list that still does something.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/**
 * Leaves out as many items as it can while `holds` is true of the rest: halves first, then smaller and smaller parts, until
 * no single item can be spared (delta debugging). Takes what it has at `deadline`.
 */
export async function shrunk<T>(
  items: readonly T[],
  holds: (items: readonly T[]) => Promise<boolean>,
  deadline: number,
): Promise<readonly T[]> {
  let rest = items
  let size = Math.ceil(items.length / 2)
  while (size > 0) {
    let spared = false
    // From the end: what comes last is seldom what something else needs.
    for (let end = rest.length; end > 0; end -= size) {
      if (Date.now() > deadline) return rest
      const candidate = [...rest.slice(0, Math.max(0, end - size)), ...rest.slice(end)]
      if (candidate.length < rest.length && (await holds(candidate))) {
        rest = candidate
        spared = true
      }
    }
    if (size === 1 && !spared) return rest
    size = size === 1 ? 1 : Math.ceil(size / 2)
  }
  return rest
}
