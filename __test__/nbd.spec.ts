// The NBD server of examples/nbd against a client of our own, which sends what no library would. Libraries and programs
// talk with it in __test__/nbd/main.ts.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { randomFillSync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'

import { CMD, Client, ERR, FLAG, INFO, OPT, REP, IHAVEOPT, NBDMAGIC, infoData, optionBytes } from './nbd/client.js'
import { requestBytes, u16, u32, u64 } from './nbd/client.js'
import { PAYLOAD_MAX, SIZE, answers, describe } from './nbd/requests.js'
import { NbdServer } from './nbd/server.js'

const MIB = 2 ** 20
const EXPORT = 'memory'
/** HAS_FLAGS, SEND_FLUSH, SEND_FUA, SEND_TRIM, SEND_WRITE_ZEROES, CAN_MULTI_CONN */
const TRANSMISSION_FLAGS = 1 | 4 | 8 | 32 | 64 | 256

// Guest memory lies on a memfd, which other systems do not have.
const testOnLinux = process.platform === 'linux' ? test.serial : test.serial.skip

let server: NbdServer
test.before(async () => {
  if (process.platform === 'linux') server = await NbdServer.start()
})
test.after.always(() => server?.kill())

/** Starts a server for a test that changes it. */
async function startServer(t: ExecutionContext, ...options: string[]): Promise<NbdServer> {
  const server = await NbdServer.start(...options)
  t.teardown(() => server.kill())
  return server
}

const types = (replies: readonly { type: number }[]): number[] => replies.map(({ type }) => type)

/** Checks that the next option is understood, and the transmission phase entered. */
async function goes(t: ExecutionContext, client: Client): Promise<void> {
  t.is((await client.option(OPT.GO, infoData())).at(-1)?.type, REP.ACK)
  await serves(t, client)
  client.close()
}

/** Checks that the connection is in the transmission phase, with nothing left over of what was before. */
async function serves(t: ExecutionContext, client: Client): Promise<void> {
  t.is((await client.request({ type: CMD.FLUSH })).error, 0)
}

// --------------------------------------------------------------------------------------------------------- handshake

testOnLinux('the server begins with fixed newstyle negotiation', async (t) => {
  const client = await Client.connect(server.socket)
  t.deepEqual(await client.receive(18), Buffer.concat([u64(NBDMAGIC), u64(IHAVEOPT), u16(3)]))
  client.close()
})

for (let flags = 0; flags < 4; flags++) {
  testOnLinux(`client flags ${flags} are understood, and NBD_OPT_EXPORT_NAME`, async (t) => {
    for (const name of ['', EXPORT]) {
      const client = await Client.negotiating(server.socket, flags)
      client.send(optionBytes(OPT.EXPORT_NAME, Buffer.from(name)))
      t.deepEqual(await client.receive(10), Buffer.concat([u64(SIZE), u16(TRANSMISSION_FLAGS)]))
      if ((flags & 2) === 0) t.deepEqual(await client.receive(124), Buffer.alloc(124))
      await serves(t, client)
      client.close()
    }
  })
}

testOnLinux('a client flag that is unknown ends the connection', async (t) => {
  for (let bit = 2; bit < 32; bit++) {
    const client = await Client.negotiating(server.socket, (2 ** bit + 3) % 2 ** 32)
    t.true(await client.isHungUpOn(), `bit ${bit}`)
  }
})

testOnLinux('an unknown name in NBD_OPT_EXPORT_NAME ends the connection, which has no other answer', async (t) => {
  for (const name of ['disk', EXPORT.slice(1), `${EXPORT}\0`, ' ', '\0', 'x'.repeat(4096)]) {
    const client = await Client.negotiating(server.socket)
    client.send(optionBytes(OPT.EXPORT_NAME, Buffer.from(name)))
    t.true(await client.isHungUpOn())
  }
  const client = await Client.negotiating(server.socket)
  client.send(optionBytes(OPT.EXPORT_NAME, new Uint8Array(), 2 ** 32 - 1))
  t.true(await client.isHungUpOn(), 'without waiting for the name')
})

testOnLinux('what is no option ends the connection', async (t) => {
  const client = await Client.negotiating(server.socket)
  client.send(Buffer.alloc(16))
  t.true(await client.isHungUpOn())
})

testOnLinux('NBD_OPT_LIST has the one export, and takes no data', async (t) => {
  const client = await Client.negotiating(server.socket)
  const replies = await client.option(OPT.LIST)
  t.deepEqual(types(replies), [REP.SERVER, REP.ACK])
  t.deepEqual(replies[0]?.data.subarray(0, 4 + EXPORT.length), Buffer.concat([u32(EXPORT.length), Buffer.from(EXPORT)]))
  t.deepEqual(types(await client.option(OPT.LIST, Buffer.from('x'))), [ERR.INVALID])
  t.deepEqual(types(await client.option(OPT.LIST, Buffer.alloc(MIB))), [ERR.INVALID])
  await goes(t, client)
})

/** Takes the information out of the replies to NBD_OPT_INFO or NBD_OPT_GO, by its kind. */
function information(t: ExecutionContext, replies: Awaited<ReturnType<Client['option']>>): Map<number, Buffer> {
  t.deepEqual(types(replies), [...replies.slice(1).map(() => REP.INFO), REP.ACK])
  const result = new Map(replies.slice(0, -1).map(({ data }) => [data.readUInt16BE(), data.subarray(2)]))
  t.is(result.size, replies.length - 1, 'each kind once')
  return result
}

for (const [name, option] of Object.entries({ INFO: OPT.INFO, GO: OPT.GO })) {
  testOnLinux(`NBD_OPT_${name} tells what was asked for, and the export always`, async (t) => {
    const exported = Buffer.concat([u64(SIZE), u16(TRANSMISSION_FLAGS)])
    const blockSize = Buffer.concat([u32(1), u32(4096), u32(PAYLOAD_MAX)])
    const cases: [requests: number[], expected: number[], name?: string][] = [
      [[], []],
      [[INFO.NAME], [INFO.NAME], EXPORT],
      [[INFO.EXPORT], []],
      [[INFO.BLOCK_SIZE], [INFO.BLOCK_SIZE]],
      [
        [INFO.NAME, INFO.BLOCK_SIZE, INFO.DESCRIPTION],
        [INFO.NAME, INFO.BLOCK_SIZE, INFO.DESCRIPTION],
      ],
      [[4, 99, 0x8000, 0xffff, INFO.BLOCK_SIZE], [INFO.BLOCK_SIZE]],
      [Array.from({ length: 1000 }, (_, index) => 1000 + index), []],
    ]
    for (const [requests, expected, name = ''] of cases) {
      const client = await Client.negotiating(server.socket)
      const replies = await client.option(option, infoData(name, requests))
      const told = information(t, replies)
      t.true(replies.every((reply) => reply.option === option))
      t.deepEqual([...told.keys()].toSorted(), [INFO.EXPORT, ...expected].toSorted())
      t.deepEqual(told.get(INFO.EXPORT), exported)
      t.deepEqual(told.get(INFO.BLOCK_SIZE) ?? blockSize, blockSize)
      t.is(String(told.get(INFO.NAME) ?? EXPORT), EXPORT)
      t.regex(String(told.get(INFO.DESCRIPTION) ?? 'memory'), /memory/)
      // The same once more, by which the next phase begins, or has begun.
      if (option === OPT.INFO) t.deepEqual(information(t, await client.option(OPT.GO, infoData(name, requests))), told)
      await serves(t, client)
      client.close()
    }
  })

  testOnLinux(`NBD_OPT_${name} of an unknown export tells that it is unknown`, async (t) => {
    const client = await Client.negotiating(server.socket)
    for (const unknown of ['disk', '/', EXPORT.toUpperCase(), '\0', 'ä'.repeat(2048), 'x'.repeat(4096)]) {
      const replies = await client.option(option, infoData(unknown, [INFO.BLOCK_SIZE]))
      t.deepEqual(types(replies), [ERR.UNKNOWN])
    }
    await goes(t, client)
  })

  testOnLinux(`a malformed NBD_OPT_${name} is refused`, async (t) => {
    const client = await Client.negotiating(server.socket)
    const malformed: Record<string, Buffer> = {
      'no data': Buffer.alloc(0),
      'a part of the length': Buffer.alloc(3),
      'a length only': u32(0),
      'half a count': Buffer.alloc(5),
      'a name that is longer than the data': Buffer.concat([u32(5), Buffer.from('disk'), u16(0)]),
      'a name that takes the count': Buffer.concat([u32(2), Buffer.alloc(2)]),
      'a name of 4 GiB': Buffer.concat([u32(2 ** 32 - 1), u16(0)]),
      'a name that is too long for any': infoData('x'.repeat(4097)),
      'more requests than there are': Buffer.concat([u32(0), u16(2, INFO.BLOCK_SIZE)]),
      'half a request': Buffer.concat([u32(0), u16(1), Buffer.alloc(1)]),
      'fewer requests than there are': Buffer.concat([u32(0), u16(1, INFO.BLOCK_SIZE, INFO.NAME)]),
      'bytes at the end': Buffer.concat([infoData(), Buffer.alloc(1)]),
    }
    for (const [what, data] of Object.entries(malformed)) {
      t.deepEqual(types(await client.option(option, data)), [ERR.INVALID], what)
    }
    await goes(t, client)
  })

  testOnLinux(`an NBD_OPT_${name} that is too long is refused, and the next option understood`, async (t) => {
    const client = await Client.negotiating(server.socket)
    for (const length of [64 * 1024, MIB, PAYLOAD_MAX, PAYLOAD_MAX + 1]) {
      t.deepEqual(types(await client.option(option, Buffer.alloc(length))), [ERR.TOO_BIG])
    }
    await goes(t, client)
  })
}

testOnLinux('options that are not offered are told as such, however long they are', async (t) => {
  const client = await Client.negotiating(server.socket)
  for (const option of [0, OPT.PEEK_EXPORT, OPT.STARTTLS, 11, 12, 99, 2 ** 31, 2 ** 32 - 1]) {
    for (const length of [0, 1, 100_000]) {
      const replies = await client.option(option, Buffer.alloc(length))
      t.deepEqual(types(replies), [ERR.UNSUP])
      t.is(replies[0]?.option, option)
    }
  }
  t.deepEqual(types(await client.option(99, Buffer.alloc(PAYLOAD_MAX + 1))), [ERR.UNSUP])
  await goes(t, client)
})

testOnLinux('NBD_OPT_ABORT is answered, whatever data it has, and the connection ended', async (t) => {
  for (const length of [0, 1, 100_000]) {
    const client = await Client.negotiating(server.socket)
    t.deepEqual(await client.option(OPT.ABORT, Buffer.alloc(length)), [
      { option: OPT.ABORT, type: REP.ACK, data: Buffer.alloc(0) },
    ])
    t.true(await client.isHungUpOn())
  }
})

testOnLinux('who takes too long before the transmission phase is hung up on, and nobody after it', async (t) => {
  const server = await startServer(t, '--handshake-limit', '1')
  const settled = await Client.transmitting(server.socket)
  const silent = await Client.connect(server.socket)
  await silent.receive(18)
  const idle = await Client.negotiating(server.socket)
  const slow = await Client.negotiating(server.socket)
  slow.send(optionBytes(99, Buffer.alloc(10), 100))
  const busy = await Client.negotiating(server.socket)
  const asking = setInterval(() => busy.send(optionBytes(OPT.LIST)), 50)
  t.teardown(() => clearInterval(asking))
  t.true(await silent.isHungUpOn())
  t.true(await idle.isHungUpOn())
  t.true(await slow.isHungUpOn())
  t.false(await busy.isHungUpOn(), 'had its answers before')
  await serves(t, settled)
  await server.until(() => server.logged.some((line) => /handshake/.test(line)))
})

// ------------------------------------------------------------------------------------------------------ transmission

testOnLinux('each request has the error that it deserves, and the connection goes on', async (t) => {
  const server = await startServer(t)
  const client = await Client.transmitting(server.socket)
  const last = await Client.transmitting(server.socket)
  for (const [request, expected] of answers) {
    const data = Buffer.alloc(request.type === CMD.WRITE ? (request.length ?? 0) : 0)
    t.is((await client.request(request, data)).error, expected, describe(request))
  }
  await serves(t, client)
  await serves(t, last)
  t.deepEqual(server.logged, [])
})

testOnLinux('what is refused changes nothing', async (t) => {
  const server = await startServer(t)
  const client = await Client.transmitting(server.socket)
  const content = randomFillSync(Buffer.alloc(SIZE))
  await client.write(0, content.subarray(0, PAYLOAD_MAX))
  await client.write(PAYLOAD_MAX, content.subarray(PAYLOAD_MAX))
  for (const [request, expected] of answers.filter(([, error]) => error !== 0)) {
    const data = Buffer.alloc(request.type === CMD.WRITE ? (request.length ?? 0) : 0, 0x5a)
    t.is((await client.request(request, data)).error, expected)
  }
  const read = [await client.read(0, PAYLOAD_MAX), await client.read(PAYLOAD_MAX, PAYLOAD_MAX)]
  t.true(Buffer.concat(read).equals(content))
})

testOnLinux('what is written is read, by other connections too, wherever regions meet', async (t) => {
  const server = await startServer(t)
  const [writer, reader] = [await Client.transmitting(server.socket), await Client.transmitting(server.socket)]
  const expected = Buffer.alloc(SIZE)
  const change = async (offset: number, length: number, type: number, flags: number): Promise<void> => {
    const data = type === CMD.WRITE ? randomFillSync(Buffer.alloc(length)) : Buffer.alloc(0)
    t.is((await writer.request({ type, flags, offset, length }, data)).error, 0)
    if (type === CMD.WRITE) expected.set(data, offset)
    else expected.fill(0, offset, offset + length)
    const from = Math.max(0, offset - 5000)
    const count = Math.min(SIZE, offset + length + 5000, from + PAYLOAD_MAX) - from
    t.true((await reader.read(from, count)).equals(expected.subarray(from, from + count)), `${type} at ${offset}`)
  }
  await change(0, PAYLOAD_MAX, CMD.WRITE, 0)
  await change(PAYLOAD_MAX, PAYLOAD_MAX, CMD.WRITE, FLAG.FUA)
  for (const [offset, length] of [
    [0, 1],
    [4095, 2],
    [8 * MIB - 1, 2],
    [8 * MIB - 4096, 8192],
    [7 * MIB + 123, 10 * MIB + 45],
    [SIZE - 4097, 4097],
  ] as const) {
    for (const flags of [0, FLAG.FUA, FLAG.NO_HOLE, FLAG.NO_HOLE | FLAG.FUA]) {
      await change(offset, length, CMD.WRITE, flags & FLAG.FUA)
      await change(offset, length, CMD.WRITE_ZEROES, flags)
    }
  }
})

testOnLinux('NBD_CMD_TRIM and NBD_CMD_WRITE_ZEROES give memory back, without NBD_CMD_FLAG_NO_HOLE', async (t) => {
  const server = await startServer(t)
  const client = await Client.transmitting(server.socket)
  const used = async (type: number, flags: number): Promise<number> => {
    t.is((await client.request({ type, flags, offset: 2 * MIB, length: 16 * MIB })).error, 0)
    return server.guestMemory()
  }
  await client.write(0, randomFillSync(Buffer.alloc(20 * MIB)))
  t.is(server.guestMemory(), 20 * MIB)
  t.is(await used(CMD.TRIM, 0), 4 * MIB)
  t.is(await used(CMD.WRITE_ZEROES, FLAG.NO_HOLE), 20 * MIB)
  t.is(await used(CMD.WRITE_ZEROES, 0), 4 * MIB)
  t.true((await client.read(2 * MIB, 16 * MIB)).equals(Buffer.alloc(16 * MIB)))
})

testOnLinux('requests arrive in any pieces, and are answered in order', async (t) => {
  const client = await Client.transmitting(server.socket)
  const all: Buffer[] = []
  for (let cookie = 0n; cookie < 50n; cookie++) {
    const data = Buffer.alloc(100, Number(cookie))
    const offset = 100 * Number(cookie)
    all.push(requestBytes({ type: CMD.WRITE, cookie, offset, length: data.length }), data)
  }
  const bytes = Buffer.concat(all)
  const answered = async (): Promise<void> => {
    for (let cookie = 0n; cookie < 50n; cookie++) t.is(await client.reply(cookie), 0)
  }
  client.send(bytes)
  await answered()
  for (let at = 0; at < bytes.length; at += 13) {
    client.send(bytes.subarray(at, at + 13))
    await sleep(0)
  }
  await answered()
  t.deepEqual((await client.read(0, 5000)).subarray(4900), Buffer.alloc(100, 49))
  client.close()
})

testOnLinux('who has said all gets all answers, and then the end', async (t) => {
  for (const isPolite of [true, false]) {
    const client = await Client.transmitting(server.socket)
    // More than the socket takes at once, so that the end comes before the answers.
    for (let cookie = 0n; cookie < 10n; cookie++) {
      client.send(requestBytes({ type: CMD.READ, cookie, length: MIB }))
    }
    if (isPolite) client.send(requestBytes({ type: CMD.DISC }))
    else client.socket.end()
    await sleep(100)
    for (let cookie = 0n; cookie < 10n; cookie++) {
      t.is(await client.reply(cookie), 0)
      await client.receive(MIB)
    }
    t.true(await client.isHungUpOn())
  }
})

testOnLinux('NBD_CMD_DISC has no answer', async (t) => {
  for (const request of [{}, { flags: 0xffff, offset: 2n ** 64n - 1n, length: 2 ** 32 - 1 }]) {
    const client = await Client.transmitting(server.socket)
    client.send(requestBytes({ type: CMD.DISC, ...request }))
    t.true(await client.isHungUpOn())
  }
})

testOnLinux('what is no request ends the connection', async (t) => {
  for (const magic of [0, 0x12560953, 0x25609514, 0x21e41c71]) {
    const client = await Client.transmitting(server.socket)
    client.send(requestBytes({ type: CMD.FLUSH, magic }))
    t.true(await client.isHungUpOn())
  }
})
