// The maps that writers publish and readers verify. Whatever is in a region is written before it is published and never
// again, so everything that a snapshot shows must fit together: each page tells which region it belongs to and has a
// checksum, and the manifest tells which regions its map has.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { FileOffset, GuestMemoryMmap, GuestRegionMmap, MmapRegion } from '../../index.js'
import { ACCOUNTS, MANIFEST, MOST_PAGES, PAGE, SLOTS, slotAddress } from './layout.mjs'

const PROT_READ_WRITE = 3
const MAP_SHARED = 1
const MAP_PRIVATE = 2
const WORDS = PAGE / Uint32Array.BYTES_PER_ELEMENT
const PAGE_MARK = 0x70616765
const MANIFEST_MARK = 0x6d616e69

/** Memory that the kernel lists under the name of the file, with bytes of its own unless it is `shared`. */
function mapFile(fd, base, pages, shared = false) {
  const flags = shared ? MAP_SHARED : MAP_PRIVATE
  return new GuestRegionMmap(MmapRegion.build(new FileOffset(fd, 0), pages * PAGE, PROT_READ_WRITE, flags), base)
}

function checksum(words) {
  let sum = 0x811c9dc5
  for (let i = 0; i < WORDS - 1; i += 1) sum = Math.imul(sum ^ words[i], 0x01000193)
  return sum >>> 0
}

function seal(words) {
  words[WORDS - 1] = checksum(words)
  return words
}

/** A page of a slot's region. */
function makePage({ slot, nonce, pages }, index) {
  const words = new Uint32Array(WORDS)
  words.set([PAGE_MARK, slot, nonce, pages, index])
  let value = nonce * MOST_PAGES + index + 1
  for (let i = 5; i < WORDS - 1; i += 1) {
    value ^= value << 13
    value ^= value >>> 17
    value ^= value << 5
    words[i] = value
  }
  return seal(words)
}

/** Throws unless these are the bytes of that page, whole. */
export function verifyPage(words, { slot, nonce, pages }, index) {
  const expected = [PAGE_MARK, slot, nonce, pages, index]
  if (expected.some((word, i) => words[i] !== word)) {
    throw new Error(`a foreign page: [${words.slice(0, 5).join()}] instead of [${expected.join()}]`)
  }
  if (words[WORDS - 1] !== checksum(words)) throw new Error(`a torn page: ${index} of slot ${slot}, number ${nonce}`)
}

function makeRegion(fd, entry) {
  const region = mapFile(fd, slotAddress(entry.slot), entry.pages)
  for (let index = 0; index < entry.pages; index += 1) region.writeSlice(makePage(entry, index), index * PAGE)
  return region
}

function makeManifest(fd, generation, entries) {
  const words = new Uint32Array(WORDS)
  words.set([MANIFEST_MARK, Number(generation), entries.length])
  words.set(
    entries.flatMap(({ slot, nonce, pages }) => [slot, nonce, pages]),
    3,
  )
  const region = mapFile(fd, MANIFEST, 1)
  region.writeSlice(seal(words), 0)
  return region
}

/** What a map says that it has; throws if that is damaged. */
export function readManifest(memory) {
  const words = new Uint32Array(WORDS)
  memory.readSlice(words, MANIFEST)
  const [mark, generation, length, ...list] = words
  if (mark !== MANIFEST_MARK || words[WORDS - 1] !== checksum(words)) throw new Error('a torn manifest')
  const entries = Array.from({ length }, (_, i) => {
    const [slot, nonce, pages] = list.slice(3 * i, 3 * i + 3)
    return { slot, nonce, pages }
  })
  if (memory.numRegions !== entries.length + 2) {
    throw new Error(`a map of ${memory.numRegions} regions, which should have ${entries.length + 2}`)
  }
  return { generation: BigInt(generation), entries }
}

/** The map that the suite starts with. */
export function firstMap(fd) {
  return GuestMemoryMmap.fromRegions([mapFile(fd, ACCOUNTS.base, ACCOUNTS.size / PAGE, true), makeManifest(fd, 0n, [])])
}

/** The map that follows one: a random slot is emptied, filled, or filled anew. */
export function nextMap(memory, { fd, random, nonce }) {
  const { generation, entries } = readManifest(memory)
  const slot = random(SLOTS)
  const entry = { slot, nonce, pages: 1 + random(MOST_PAGES) }
  const old = entries.find((each) => each.slot === slot)
  const others = entries.filter((each) => each !== old)

  let [next] = memory.removeRegion(MANIFEST, PAGE)
  if (old) [next] = next.removeRegion(slotAddress(slot), old.pages * PAGE)
  const isFilled = !old || random(2) === 0
  if (isFilled) next = next.insertRegion(makeRegion(fd, entry))
  next = next.insertRegion(makeManifest(fd, generation + 1n, isFilled ? [...others, entry] : others))
  return { next, generation }
}
