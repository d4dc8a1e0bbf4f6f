// What is agreed for the end of this round and is not there yet. Whoever brings something takes it off this list.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

/** Names, as `Item`, `Item.member`, or `Alias.literal` for a member of a union. */
export const LATER: readonly string[] = [
  // faults
]
