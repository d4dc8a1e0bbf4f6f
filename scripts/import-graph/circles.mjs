// Finds the circles of a graph.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/**
 * Finds the strongly connected components of more than one node, by Tarjan's algorithm: largest first, names ascending.
 * @param {ReadonlyMap<string, ReadonlySet<string>>} graph what each node has arrows to
 * @returns {string[][]}
 */
export function circlesOf(graph) {
  const circles = []
  /** When each node was met, and the earliest node of the stack that can be reached from it. */
  const met = new Map()
  const earliest = new Map()
  const stack = []

  const visit = (node) => {
    met.set(node, met.size)
    earliest.set(node, met.get(node))
    stack.push(node)
    for (const next of graph.get(node) ?? []) {
      if (!met.has(next)) visit(next)
      // Nodes that have left the stack belong to components that are complete.
      if (stack.includes(next)) earliest.set(node, Math.min(earliest.get(node), earliest.get(next)))
    }
    if (earliest.get(node) !== met.get(node)) return
    const component = stack.splice(stack.indexOf(node))
    if (component.length > 1) circles.push(component.toSorted())
  }
  for (const node of graph.keys()) if (!met.has(node)) visit(node)
  return circles.toSorted((a, b) => b.length - a.length || (a[0] < b[0] ? -1 : 1))
}
