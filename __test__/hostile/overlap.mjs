// Guest memory as source and destination of the same copy: every copying method must do what memmove does.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { complain } from './verdict.mjs'
import { vm } from './surface.mjs'

const ROUNDS = 400
const SIZE = 4096
/** Two adjacent regions and a third, so that copies cross one border or two. */
const BASE = 65536
const STARTS = [BASE, BASE + SIZE, BASE + 2 * SIZE]
const TOTAL = 3 * SIZE

let state = 0x9e3779b9
function random(below) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) % below
}

const memory = vm.GuestMemoryMmap.fromRanges(STARTS.map((start) => [start, SIZE]))
const regions = [...memory]
/** What the memory should hold. */
const model = new Uint8Array(TOTAL)

function fill() {
  for (let i = 0; i < TOTAL; i += 1) model[i] = random(256)
  memory.writeSlice(model, BASE)
}

function compare(where) {
  const actual = new Uint8Array(TOTAL)
  memory.readSlice(actual, BASE)
  const wrong = actual.findIndex((byte, i) => byte !== model[i])
  if (wrong === -1) return
  complain(where, `byte ${wrong} is ${actual[wrong]} instead of ${model[wrong]}`)
  memory.writeSlice(model, BASE)
}

/** A place of `length` bytes in one region: views never cross. `near` makes overlap likely. */
function placeInRegion(length, near) {
  const region = near === undefined ? random(3) : Math.min(2, Math.floor(near / SIZE))
  const limit = SIZE - length
  const wanted = near === undefined ? random(limit + 1) : (near % SIZE) + random(2 * length + 1) - length
  const offset = Math.max(0, Math.min(limit, wanted))
  return { region, offset, at: region * SIZE + offset, view: regions[region].asUint8Array(offset, length) }
}

/** A place of `length` bytes anywhere, near another one. */
const placeAnywhere = (length, near) => Math.max(0, Math.min(TOTAL - length, near + random(2 * length + 1) - length))

const lengths = () => [1, 2, 3, 7, 8, 9, 16, 64, 255, 1024, 4000][random(11)]

/** Copies between a view and any address, over borders. */
const memoryCopies = {
  write: (view, addr) => memory.write(view, addr),
  writeSlice: (view, addr) => memory.writeSlice(view, addr),
  readVolatileFrom: (view, addr) => memory.readVolatileFrom(addr, view, view.length),
  readExactVolatileFrom: (view, addr) => memory.readExactVolatileFrom(addr, view, view.length),
  'writeObj of an array': (view, addr) => memory.writeObj(['u8', view.length], view, addr),
}
const memoryCopiesOut = {
  read: (view, addr) => memory.read(view, addr),
  readSlice: (view, addr) => memory.readSlice(view, addr),
  writeVolatileTo: (view, addr) => memory.writeVolatileTo(addr, view, view.length),
  writeAllVolatileTo: (view, addr) => memory.writeAllVolatileTo(addr, view, view.length),
}

/** Copies between a view and an offset of one region. */
const regionCopies = {
  'region.write': (view, region, offset) => region.write(view, offset),
  'region.writeSlice': (view, region, offset) => region.writeSlice(view, offset),
  'region.readVolatileFrom': (view, region, offset) => region.readVolatileFrom(offset, view, view.length),
  'region.readExactVolatileFrom': (view, region, offset) => region.readExactVolatileFrom(offset, view, view.length),
  'slice.write': (view, region, offset) => region.asVolatileSlice().write(view, offset),
  'slice.writeSlice': (view, region, offset) => region.asVolatileSlice().writeSlice(view, offset),
  'slice.copyFrom': (view, region, offset) => region.getSlice(offset, view.length).copyFrom(view),
  'slice.readVolatile': (view, region, offset) => region.getSlice(offset, view.length).readVolatile(view),
  'slice.readExactVolatile': (view, region, offset) => region.getSlice(offset, view.length).readExactVolatile(view),
  'slice.readVolatileFrom': (view, region, offset) =>
    region.asVolatileSlice().readVolatileFrom(offset, view, view.length),
  'array.copyFrom': (view, region, offset) => region.getArrayRef('u8', offset, view.length).copyFrom(view),
  'writeSlice of a DataView': (view, region, offset) =>
    region.writeSlice(new DataView(view.buffer, view.byteOffset, view.length), offset),
}
const regionCopiesOut = {
  'region.read': (view, region, offset) => region.read(view, offset),
  'region.readSlice': (view, region, offset) => region.readSlice(view, offset),
  'region.writeVolatileTo': (view, region, offset) => region.writeVolatileTo(offset, view, view.length),
  'region.writeAllVolatileTo': (view, region, offset) => region.writeAllVolatileTo(offset, view, view.length),
  'slice.read': (view, region, offset) => region.asVolatileSlice().read(view, offset),
  'slice.copyTo': (view, region, offset) => region.getSlice(offset, view.length).copyTo(view),
  'slice.writeVolatile': (view, region, offset) => region.getSlice(offset, view.length).writeVolatile(view),
  'slice.writeAllVolatile': (view, region, offset) => region.getSlice(offset, view.length).writeAllVolatile(view),
  'array.copyTo': (view, region, offset) => region.getArrayRef('u8', offset, view.length).copyTo(view),
  'readSlice into a DataView': (view, region, offset) =>
    region.readSlice(new DataView(view.buffer, view.byteOffset, view.length), offset),
}

/** `from` and `to` are offsets in the model. */
function expectMove(where, to, from, length) {
  model.copyWithin(to, from, from + length)
  compare(`${where}: ${length} bytes from ${from} to ${to}`)
}

fill()
for (let round = 0; round < ROUNDS; round += 1) {
  const length = lengths()
  for (const [name, copy] of Object.entries(memoryCopies)) {
    const source = placeInRegion(length)
    const to = placeAnywhere(length, source.at)
    copy(source.view, BASE + to)
    expectMove(name, to, source.at, length)
  }
  for (const [name, copy] of Object.entries(memoryCopiesOut)) {
    const destination = placeInRegion(length)
    const from = placeAnywhere(length, destination.at)
    copy(destination.view, BASE + from)
    expectMove(name, destination.at, from, length)
  }
  for (const [name, copy] of Object.entries(regionCopies)) {
    const source = placeInRegion(length)
    const { region, offset, at } = placeInRegion(length, source.at)
    copy(source.view, regions[region], offset)
    expectMove(name, at, source.at, length)
  }
  for (const [name, copy] of Object.entries(regionCopiesOut)) {
    const destination = placeInRegion(length)
    const { region, offset, at } = placeInRegion(length, destination.at)
    copy(destination.view, regions[region], offset)
    expectMove(name, destination.at, at, length)
  }
  const source = placeInRegion(length)
  const destination = placeInRegion(length, source.at)
  const slice = (place) => regions[place.region].getSlice(place.offset, length)
  slice(source).copyToVolatileSlice(slice(destination))
  expectMove('slice.copyToVolatileSlice', destination.at, source.at, length)
  regions[source.region].getArrayRef('u8', source.offset, length).copyToVolatileSlice(slice(destination))
  expectMove('array.copyToVolatileSlice', destination.at, source.at, length)
  if (round % 20 === 0) fill()
}

// Elements wider than a byte, on buffers of the same region. A typed array must be aligned, the slice need not.
const wide = { Uint16Array, Int32Array, Float64Array, BigUint64Array }
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, Type] of Object.entries(wide)) {
    const width = Type.BYTES_PER_ELEMENT
    const count = 1 + random(40)
    const length = count * width
    const viewOffset = random((SIZE - length) / width) * width
    const typed = new Type(regions[0].buffer, viewOffset, count)
    const offset = Math.max(0, Math.min(SIZE - length, viewOffset + random(2 * length + 1) - length))
    regions[0].getSlice(offset, length).copyFrom(typed)
    expectMove(`slice.copyFrom ${name}`, offset, viewOffset, length)
    regions[0].getSlice(offset, length).copyTo(typed)
    expectMove(`slice.copyTo ${name}`, viewOffset, offset, length)
  }
  for (const [type, Type] of [
    ['u16', Uint16Array],
    ['i32', Int32Array],
    ['u64', BigUint64Array],
  ]) {
    const width = Type.BYTES_PER_ELEMENT
    const count = 1 + random(40)
    const length = count * width
    const viewOffset = random((SIZE - length) / width) * width
    const typed = new Type(regions[0].buffer, viewOffset, count)
    const offset = Math.max(0, Math.min(SIZE - length, viewOffset + random(2 * length + 1) - length))
    regions[0].getArrayRef(type, offset, count).copyFrom(typed)
    expectMove(`array.copyFrom ${type}`, offset, viewOffset, length)
    regions[0].getArrayRef(type, offset, count).copyTo(typed)
    expectMove(`array.copyTo ${type}`, viewOffset, offset, length)
    regions[0].writeObj([type, count], typed, offset)
    expectMove(`region.writeObj of an array of ${type}`, offset, viewOffset, length)
  }
}
