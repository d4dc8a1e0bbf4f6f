// Structured replies of the NBD server of examples/nbd, and base:allocation: which of its memory is data, and what are holes.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { randomFillSync } from 'node:crypto'
import test, { type ExecutionContext } from 'ava'

import { SeededRandom } from '../examples/machine/seeded-random.js'
import { CHUNK, CMD, Client, contextData, ERR, FLAG, infoData, OPT, optionBytes, REP } from './nbd/client.js'
import { requestBytes, u32, type Chunk, type Request } from './nbd/client.js'
import { answers, describe, PAYLOAD_MAX, SIZE } from './nbd/requests.js'
import { NbdServer } from './nbd/server.js'

const [KIB, MIB] = [2 ** 10, 2 ** 20]
const PAGE = 4 * KIB
const ALLOCATION = 'base:allocation'
const EINVAL = 22
/** NBD_STATE_HOLE | NBD_STATE_ZERO */
const HOLE = 3
const SEND_DF = 128

// Guest memory lies on a memfd, which other systems do not have.
const testOnLinux = process.platform === 'linux' ? test.serial : test.serial.skip

let server: NbdServer
test.before(async () => {
  if (process.platform === 'linux') server = await NbdServer.start()
})
test.after.always(() => server?.kill())

/** Starts a server for a test that changes it. */
async function startServer(t: ExecutionContext): Promise<NbdServer> {
  const server = await NbdServer.start()
  t.teardown(() => server.kill())
  return server
}

const types = (replies: readonly { type: number }[]): number[] => replies.map(({ type }) => type)

/** The error of a reply that is a single chunk of one. */
function errorOf(t: ExecutionContext, chunks: readonly Chunk[]): number {
  t.deepEqual(types(chunks), [CHUNK.ERROR])
  const payload = chunks[0]?.payload ?? Buffer.alloc(0)
  t.is(payload.length, 6 + payload.readUInt16BE(4))
  t.regex(payload.toString('utf8', 6), /^[a-z].{5,80}$/, 'a message for people')
  return payload.readUInt32BE()
}

type Extent = readonly [length: number, flags: number]

/** What NBD_CMD_BLOCK_STATUS tells. */
async function status(
  t: ExecutionContext,
  client: Client,
  offset: number,
  length: number,
  flags = 0,
): Promise<Extent[]> {
  const chunks = await client.chunks({ type: CMD.BLOCK_STATUS, offset, length, flags })
  t.deepEqual(types(chunks), [CHUNK.BLOCK_STATUS])
  const payload = chunks[0]?.payload ?? Buffer.alloc(0)
  t.is(payload.length % 8, 4)
  t.true(payload.readUInt32BE() > 0, 'the number of the context')
  const extents: Extent[] = []
  for (let at = 4; at < payload.length; at += 8) extents.push([payload.readUInt32BE(at), payload.readUInt32BE(at + 4)])
  t.true(extents.every(([count]) => count > 0))
  return extents
}

interface Content {
  readonly bytes: Buffer
  /** How many bytes came as holes, and in how many chunks everything. */
  readonly holes: number
  readonly chunks: number
}

/** Reads by chunks, which have to be all of what was asked for, each byte once. */
async function read(t: ExecutionContext, client: Client, offset: number, length: number, flags = 0): Promise<Content> {
  const bytes = Buffer.alloc(length, 0xee)
  const seen = Buffer.alloc(length)
  let holes = 0
  const chunks = await client.chunks({ type: CMD.READ, offset, length, flags })
  for (const { type, payload } of chunks) {
    const at = Number(payload.readBigUInt64BE()) - offset
    const count = type === CHUNK.OFFSET_HOLE ? payload.readUInt32BE(8) : payload.length - 8
    t.true(count > 0 && at >= 0 && at + count <= length, `${count} bytes at ${at}`)
    t.true(
      seen.subarray(at, at + count).every((each) => each === 0),
      'no byte twice',
    )
    seen.fill(1, at, at + count)
    if (type === CHUNK.OFFSET_HOLE) {
      t.is(payload.length, 12)
      bytes.fill(0, at, at + count)
      holes += count
    } else {
      t.is(type, CHUNK.OFFSET_DATA)
      payload.copy(bytes, at, 8)
    }
  }
  t.true(
    seen.every((each) => each === 1),
    'every byte once',
  )
  return { bytes, holes, chunks: chunks.length }
}

async function write(t: ExecutionContext, client: Client, offset: number, data: Uint8Array): Promise<void> {
  t.is((await client.request({ type: CMD.WRITE, offset, length: data.length }, data)).error, 0)
}

async function trim(t: ExecutionContext, client: Client, offset: number, length: number): Promise<void> {
  t.is((await client.request({ type: CMD.TRIM, offset, length })).error, 0)
}

// --------------------------------------------------------------------------------------------------------- handshake

testOnLinux('NBD_OPT_STRUCTURED_REPLY is agreed on, without data, and then NBD_CMD_FLAG_DF is', async (t) => {
  const client = await Client.negotiating(server.socket)
  const flagsOf = async (): Promise<number> => {
    const [exported] = await client.option(OPT.INFO, infoData())
    return exported?.data.readUInt16BE(10) ?? 0
  }
  for (const length of [1, 8, MIB]) {
    t.deepEqual(types(await client.option(OPT.STRUCTURED_REPLY, Buffer.alloc(length))), [ERR.INVALID])
    t.is((await flagsOf()) & SEND_DF, 0)
  }
  for (let times = 0; times < 2; times++) {
    t.deepEqual(await client.option(OPT.STRUCTURED_REPLY), [
      { option: OPT.STRUCTURED_REPLY, type: REP.ACK, data: Buffer.alloc(0) },
    ])
    t.is((await flagsOf()) & SEND_DF, SEND_DF)
  }
  client.send(optionBytes(OPT.EXPORT_NAME, Buffer.from('memory')))
  t.is((await client.receive(10)).readUInt16BE(8) & SEND_DF, SEND_DF)
  t.is((await read(t, client, 0, 512)).chunks, 1)
  client.close()
})

testOnLinux('who has not agreed on structured replies gets none', async (t) => {
  const client = await Client.negotiating(server.socket)
  t.deepEqual(types(await client.option(OPT.STRUCTURED_REPLY, Buffer.alloc(1))), [ERR.INVALID])
  for (const option of [OPT.LIST_META_CONTEXT, OPT.SET_META_CONTEXT]) {
    t.deepEqual(types(await client.option(option, contextData('', [ALLOCATION]))), [ERR.INVALID])
  }
  t.is((await client.option(OPT.GO, infoData())).at(-1)?.type, REP.ACK)
  t.is((await client.read(0, MIB)).length, MIB)
  t.is((await client.request({ type: CMD.BLOCK_STATUS, length: 512 })).error, EINVAL)
  t.is((await client.request({ type: CMD.READ, length: 512, flags: FLAG.DF })).error, EINVAL)
  client.close()
})

testOnLinux('contexts are listed and selected by queries', async (t) => {
  const client = await Client.negotiating(server.socket)
  await client.option(OPT.STRUCTURED_REPLY)
  const long = `base:${'x'.repeat(4000)}`
  const cases: [queries: string[], isListed: boolean, isSet: boolean][] = [
    [[], true, false],
    [['base:'], true, false],
    [[ALLOCATION], true, true],
    [[ALLOCATION, ALLOCATION, 'base:'], true, true],
    [['qemu:dirty-bitmap:x', ALLOCATION], true, true],
    [['qemu:', 'x-none:', 'base:other', `${ALLOCATION}2`, ' base:allocation', 'BASE:ALLOCATION', ':'], false, false],
    [[long], false, false],
    [Array.from({ length: 100 }, (_, index) => `x-${index}:`).concat(ALLOCATION), true, true],
  ]
  for (const name of ['', 'memory']) {
    for (const [queries, isListed, isSet] of cases) {
      for (const [option, isTold] of [
        [OPT.LIST_META_CONTEXT, isListed],
        [OPT.SET_META_CONTEXT, isSet],
      ] as const) {
        const replies = await client.option(option, contextData(name, queries))
        t.deepEqual(types(replies), isTold ? [REP.META_CONTEXT, REP.ACK] : [REP.ACK], queries.join().slice(0, 80))
        if (!isTold) continue
        t.is(replies[0]?.data.toString('utf8', 4), ALLOCATION)
        t.is((replies[0]?.data.readUInt32BE() ?? 0) > 0, option === OPT.SET_META_CONTEXT)
      }
    }
  }
  client.close()
})

const malformed: Record<string, Buffer> = {
  'no data': Buffer.alloc(0),
  'a part of a length': Buffer.alloc(3),
  'a name only': u32(0),
  'half a count': Buffer.concat([u32(0), Buffer.alloc(2)]),
  'a name that is longer than the data': Buffer.concat([u32(100), u32(0)]),
  'a name of 4 GiB': Buffer.concat([u32(2 ** 32 - 1), u32(0)]),
  'a name that is too long for any': contextData('x'.repeat(4097)),
  'a query that is missing': Buffer.concat([contextData().subarray(0, 4), u32(1)]),
  'a query without its end': Buffer.concat([u32(0), u32(1), u32(16), Buffer.from(ALLOCATION)]),
  'a query of 4 GiB': Buffer.concat([u32(0), u32(1), u32(2 ** 32 - 1), Buffer.from(ALLOCATION)]),
  'a query that is too long for any': contextData('', [`base:${'x'.repeat(4092)}`]),
  'four billion queries': Buffer.concat([u32(0), u32(2 ** 32 - 1), u32(0)]),
  'four billion queries, and many of none': Buffer.concat([u32(0), u32(2 ** 32 - 1), Buffer.alloc(8000)]),
  'bytes at the end': Buffer.concat([contextData('', [ALLOCATION]), Buffer.alloc(1)]),
  'a query without a namespace': contextData('', ['allocation']),
  'a query of nothing': contextData('', ['']),
  'a good query and one without a namespace': contextData('', [ALLOCATION, 'allocation']),
}

for (const [name, option] of Object.entries({ LIST: OPT.LIST_META_CONTEXT, SET: OPT.SET_META_CONTEXT })) {
  testOnLinux(`a malformed NBD_OPT_${name}_META_CONTEXT is refused, and the next option understood`, async (t) => {
    const client = await Client.negotiating(server.socket)
    await client.option(OPT.STRUCTURED_REPLY)
    for (const [what, data] of Object.entries(malformed)) {
      t.deepEqual(types(await client.option(option, data)), [ERR.INVALID], what)
    }
    for (const length of [8193, 64 * KIB, PAYLOAD_MAX + 1]) {
      t.deepEqual(types(await client.option(option, Buffer.alloc(length))), [ERR.TOO_BIG])
    }
    for (const unknown of ['disk', 'memory\0', 'x'.repeat(4096)]) {
      t.deepEqual(types(await client.option(option, contextData(unknown, [ALLOCATION]))), [ERR.UNKNOWN])
    }
    t.is((await client.option(OPT.GO, infoData())).at(-1)?.type, REP.ACK)
    t.is((await client.request({ type: CMD.FLUSH })).error, 0)
    client.close()
  })
}

testOnLinux(
  'an NBD_OPT_SET_META_CONTEXT that fails, or selects nothing, takes the place of one that has not',
  async (t) => {
    const others: (Buffer | null)[] = [
      null,
      contextData('', []),
      contextData('', ['base:']),
      contextData('disk', [ALLOCATION]),
      contextData('', ['allocation']),
      Buffer.alloc(3),
      Buffer.alloc(100_000),
    ]
    for (const other of others) {
      const client = await Client.negotiating(server.socket)
      await client.option(OPT.STRUCTURED_REPLY)
      t.is((await client.option(OPT.SET_META_CONTEXT, contextData('', [ALLOCATION]))).length, 2)
      if (other !== null) await client.option(OPT.SET_META_CONTEXT, other)
      // A list changes nothing.
      await client.option(OPT.LIST_META_CONTEXT, contextData())
      await client.option(OPT.GO, infoData('memory'))
      if (other === null) await status(t, client, 0, PAGE)
      else t.is(errorOf(t, await client.chunks({ type: CMD.BLOCK_STATUS, length: PAGE })), EINVAL)
      client.close()
    }
  },
)

// ------------------------------------------------------------------------------------------------------------ status

testOnLinux('NBD_CMD_BLOCK_STATUS tells data from holes, of exactly what was asked for', async (t) => {
  const server = await startServer(t)
  const client = await Client.structured(server.socket)
  t.deepEqual(await status(t, client, 0, SIZE), [[SIZE, HOLE]])
  t.deepEqual(await status(t, client, SIZE - 1, 1), [[1, HOLE]])

  // Across the border of two regions, and at both ends.
  await write(t, client, 8 * MIB - PAGE, randomFillSync(Buffer.alloc(2 * PAGE)))
  await write(t, client, 0, Buffer.of(1))
  await write(t, client, SIZE - 1, Buffer.of(1))
  const all: Extent[] = [
    [PAGE, 0],
    [8 * MIB - 2 * PAGE, HOLE],
    [2 * PAGE, 0],
    [SIZE - 8 * MIB - 2 * PAGE, HOLE],
    [PAGE, 0],
  ]
  t.deepEqual(await status(t, client, 0, SIZE), all)
  t.deepEqual(await status(t, client, 100, PAGE), [
    [PAGE - 100, 0],
    [100, HOLE],
  ])
  t.deepEqual(await status(t, client, 8 * MIB - 1, 2), [[2, 0]])
  t.deepEqual(await status(t, client, SIZE - PAGE - 1, PAGE + 1), [
    [1, HOLE],
    [PAGE, 0],
  ])
  // One extent alone, and no byte more than was asked for.
  t.deepEqual(await status(t, client, 0, SIZE, FLAG.REQ_ONE), [[PAGE, 0]])
  t.deepEqual(await status(t, client, PAGE, SIZE - PAGE, FLAG.REQ_ONE), [[8 * MIB - 2 * PAGE, HOLE]])
  t.deepEqual(await status(t, client, PAGE, 512, FLAG.REQ_ONE | FLAG.FUA), [[512, HOLE]])
  // Zeros that were written are data; what was given back is not.
  await write(t, client, MIB, Buffer.alloc(PAGE))
  t.deepEqual(await status(t, client, MIB, 2 * PAGE), [
    [PAGE, 0],
    [PAGE, HOLE],
  ])
  await trim(t, client, 0, SIZE)
  t.deepEqual(await status(t, client, 0, SIZE), [[SIZE, HOLE]])
  t.is(server.guestMemory(), 0, 'and nobody took memory by asking')
})

testOnLinux('requests for a status that are wrong are told so, and the next one is answered', async (t) => {
  const client = await Client.structured(server.socket)
  const type = CMD.BLOCK_STATUS
  const wrong: Request[] = [
    { type },
    { type, offset: SIZE },
    { type, offset: SIZE, length: 1 },
    { type, length: SIZE + 1 },
    { type, length: 2 ** 32 - 1 },
    { type, offset: 2n ** 64n - 1n, length: 1 },
    { type, offset: 2n ** 64n - 512n, length: 1024 },
    ...[FLAG.NO_HOLE, FLAG.DF, FLAG.FAST_ZERO, FLAG.PAYLOAD_LEN, 0x8000].map((flags) => ({
      type,
      flags,
      length: PAGE,
    })),
  ]
  for (const request of wrong) t.is(errorOf(t, await client.chunks(request)), EINVAL, describe(request))
  await status(t, client, 0, SIZE)
  client.close()
})

testOnLinux('each request has the error that it deserves, with structured replies as without', async (t) => {
  const client = await Client.structured((await startServer(t)).socket)
  for (const [request, expected] of answers) {
    const { type, flags = 0, length = 0 } = request
    if (type === CMD.BLOCK_STATUS || (type === CMD.READ && flags === FLAG.DF)) continue
    if (type === CMD.READ || expected !== 0) {
      if (type === CMD.WRITE) {
        // The bytes of a refused write are skipped.
        const cookie = 7n
        client.send(requestBytes({ ...request, cookie }), Buffer.alloc(length))
        const head = await client.receive(20)
        t.is(head.readUInt16BE(6), CHUNK.ERROR)
        t.is((await client.receive(head.readUInt32BE(16))).readUInt32BE(), expected, describe(request))
        continue
      }
      const chunks = await client.chunks(request)
      if (expected === 0)
        t.true(
          chunks.every(({ type }) => type <= CHUNK.OFFSET_HOLE),
          describe(request),
        )
      else t.is(errorOf(t, chunks), expected, describe(request))
    } else {
      t.is((await client.request(request, Buffer.alloc(type === CMD.WRITE ? length : 0))).error, 0, describe(request))
    }
  }
  client.close()
})

// ------------------------------------------------------------------------------------------------------------- reads

testOnLinux('NBD_CMD_READ has chunks of data and of holes, and one chunk with NBD_CMD_FLAG_DF', async (t) => {
  const server = await startServer(t)
  const client = await Client.structured(server.socket)
  // Whole buffers take ava seconds to compare.
  const reads = async (offset: number, length: number, flags: number, holes: number, chunks: number): Promise<void> => {
    const told = await read(t, client, offset, length, flags)
    t.deepEqual([told.holes, told.chunks], [holes, chunks])
    t.true(told.bytes.equals(expected.subarray(offset, offset + length)))
  }
  const expected = Buffer.alloc(MIB)
  await reads(0, MIB, 0, MIB, 1)
  const data = randomFillSync(Buffer.alloc(256 * KIB))
  await write(t, client, 256 * KIB, data)
  data.copy(expected, 256 * KIB)
  await reads(0, MIB, 0, 768 * KIB, 3)
  await reads(100, MIB - 200, 0, 768 * KIB - 200, 3)
  await reads(0, MIB, FLAG.DF, 0, 1)
  t.is((await read(t, client, 0, PAYLOAD_MAX, FLAG.DF)).chunks, 1)
  const long = await read(t, client, SIZE - PAYLOAD_MAX, PAYLOAD_MAX)
  t.deepEqual([long.holes, long.bytes.equals(Buffer.alloc(PAYLOAD_MAX))], [PAYLOAD_MAX, true])
  // Holes of a page are not worth a chunk.
  for (let at = 0; at < MIB; at += 2 * PAGE) await write(t, client, 16 * MIB + at, data.subarray(0, PAGE))
  const fragmented = await read(t, client, 16 * MIB, MIB)
  t.true(fragmented.chunks <= 2, `${fragmented.chunks} chunks`)
  t.deepEqual(types(await client.chunks({ type: CMD.READ, length: 0 })), [CHUNK.NONE])
  client.close()
})

testOnLinux('holes that are read in long reads go on to take no memory, with both kinds of replies', async (t) => {
  const server = await startServer(t)
  const [simple, structured] = [await Client.transmitting(server.socket), await Client.structured(server.socket)]
  await write(t, simple, 40 * MIB, Buffer.alloc(PAGE, 7))
  const { bytes } = await read(t, structured, PAYLOAD_MAX, PAYLOAD_MAX)
  t.is(bytes[8 * MIB], 7)
  t.true((await simple.read(PAYLOAD_MAX, PAYLOAD_MAX)).equals(bytes))
  t.true((await read(t, structured, PAYLOAD_MAX, PAYLOAD_MAX, FLAG.DF)).bytes.equals(bytes))
  t.is(server.guestMemory(), PAGE)
})

testOnLinux('what is told and read is what was written and given back, at random', async (t) => {
  const server = await startServer(t)
  const client = await Client.structured(server.socket)
  const random = new SeededRandom(17)
  const content = Buffer.alloc(SIZE)
  const isData = new Uint8Array(SIZE / PAGE)
  for (let round = 0; round < 25; round++) {
    for (let change = 0; change < 20; change++) {
      const first = random.below(isData.length)
      const pages = Math.min(1 + random.below(random.below(2) === 0 ? 4 : 100), isData.length - first)
      const [offset, length] = [first * PAGE, pages * PAGE]
      if (random.below(3) > 0) {
        const data = random.bytes(length)
        await write(t, client, offset, data)
        data.copy(content, offset)
        isData.fill(1, first, first + pages)
      } else {
        await trim(t, client, offset, length)
        content.fill(0, offset, offset + length)
        isData.fill(0, first, first + pages)
      }
    }
    const offset = random.below(SIZE - 4 * MIB)
    const length = 64 * KIB + random.below(4 * MIB - 64 * KIB)
    let at = offset
    let before = -1
    for (const [count, flags] of await status(t, client, offset, length)) {
      t.not(flags, before, 'two extents of one kind are one')
      before = flags
      const pages = isData.subarray(Math.floor(at / PAGE), Math.ceil((at + count) / PAGE))
      t.true(
        pages.every((each) => (each === 1 ? 0 : HOLE) === flags),
        `${count} bytes at ${at}`,
      )
      at += count
    }
    t.is(at, offset + length)
    const { bytes } = await read(t, client, offset, length)
    t.true(bytes.equals(content.subarray(offset, offset + length)))
  }
})

testOnLinux('the status of scattered pages is asked for without end, and nobody reads the replies', async (t) => {
  const server = await startServer(t)
  const other = await Client.structured(server.socket)
  for (let at = 0; at < SIZE; at += 2 * PAGE) await write(t, other, at, Buffer.of(1))
  t.is((await status(t, other, 0, SIZE)).length, SIZE / PAGE)
  const before = server.ownMemory()
  const flooding = await Client.structured(server.socket)
  const request = requestBytes({ type: CMD.BLOCK_STATUS, length: SIZE })
  for (let sent = 0; sent < 20_000 && flooding.socket.writableLength < MIB; sent++) flooding.send(request)
  for (let round = 0; round < 100; round++) await status(t, other, 0, PAGE)
  const growth = server.ownMemory() - before
  t.true(growth < 60 * MIB, `grown by ${Math.round(growth / MIB)} MiB`)
  flooding.close()
  t.is((await status(t, other, 0, SIZE)).length, SIZE / PAGE)
  t.deepEqual(server.logged, [])
})
