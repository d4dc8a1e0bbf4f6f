// What clients can do to the NBD server of examples/nbd by sending more than they should and reading less: its memory
// stays bounded, it serves the others meanwhile, and its log stays short.
// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'

import { CMD, Client, FLAG, OPT, REP, infoData, optionBytes, requestBytes } from './nbd/client.js'
import { SIZE } from './nbd/requests.js'
import { NbdServer } from './nbd/server.js'

const MIB = 2 ** 20
/** What the server may grow by. Without limits it was ten times as much, and had no end. */
const GROWTH_MAX = 60 * MIB
/** The same where 800 MiB come along, of which V8 lets a part lie about before it collects them. */
const PASSING_GROWTH_MAX = 200 * MIB
/** Round trips of somebody else under each flood. */
const ROUNDS = 50

const testOnLinux = process.platform === 'linux' ? test.serial : test.serial.skip

async function startServer(t: ExecutionContext): Promise<NbdServer> {
  const server = await NbdServer.start()
  t.teardown(() => server.kill())
  return server
}

/** Sends the same again and again and reads nothing, until `enough` bytes are sent or the server takes no more. */
async function pour(client: Client, bytes: Uint8Array, enough: number): Promise<void> {
  const portion = Buffer.concat(Array.from({ length: Math.ceil((64 * 1024) / bytes.length) }, () => bytes))
  for (let sent = 0; sent < enough && !client.socket.destroyed; sent += portion.length) {
    if (client.socket.write(portion)) continue
    const begun = performance.now()
    while (client.socket.writableLength > 0) {
      if (client.socket.destroyed || performance.now() - begun > 1500) return
      await sleep(5)
    }
  }
}

/** Reads and writes as another client until the flood is over, with an eye on the server's memory. */
async function isServedDuring(
  t: ExecutionContext,
  server: NbdServer,
  flood: () => Promise<unknown>,
  growthMax = GROWTH_MAX,
): Promise<void> {
  const other = await Client.transmitting(server.socket)
  const roundTrip = async (round: number): Promise<void> => {
    const data = Buffer.alloc(4096, round)
    await other.write(SIZE - 4096, data)
    t.deepEqual(await other.read(SIZE - 4096, 4096), data)
  }
  for (let round = 0; round < ROUNDS; round++) await roundTrip(round)
  const before = server.ownMemory()
  const state = { isOver: false }
  const flooded = flood().finally(() => (state.isOver = true))
  let growth = 0
  let rounds = 0
  for (; !state.isOver || rounds < ROUNDS; rounds++) {
    await roundTrip(rounds)
    growth = Math.max(growth, server.ownMemory() - before)
    await sleep(1)
  }
  await flooded
  t.true(growth < growthMax, `grown by ${Math.round(growth / MIB)} MiB`)
  t.log(`grown by ${Math.round(growth / MIB)} MiB, ${rounds} round trips meanwhile`)
  await (await Client.transmitting(server.socket)).write(0, Buffer.alloc(512))
}

const requestFloods: Record<string, Buffer> = {
  NBD_CMD_FLUSH: requestBytes({ type: CMD.FLUSH }),
  'requests that are refused': requestBytes({ type: 99 }),
  'short reads': requestBytes({ type: CMD.READ, length: 1 }),
  'the longest reads': requestBytes({ type: CMD.READ, length: 32 * MIB }),
  'zeros all over': requestBytes({ type: CMD.WRITE_ZEROES, flags: FLAG.NO_HOLE, length: SIZE - 4096 }),
  'discards all over': requestBytes({ type: CMD.TRIM, length: SIZE - 4096 }),
}

for (const [what, request] of Object.entries(requestFloods)) {
  testOnLinux(`${what} without end, and nobody reads the replies`, async (t) => {
    const server = await startServer(t)
    await isServedDuring(t, server, async () => {
      const client = await Client.transmitting(server.socket)
      await pour(client, request, 40 * MIB)
      client.close()
    })
  })
}

const optionFloods: Record<string, Buffer> = {
  NBD_OPT_LIST: optionBytes(OPT.LIST),
  NBD_OPT_INFO: optionBytes(OPT.INFO, infoData('', [1, 2, 3])),
  'options that are refused': optionBytes(99),
}

for (const [what, option] of Object.entries(optionFloods)) {
  testOnLinux(`${what} without end, and nobody reads the replies`, async (t) => {
    const server = await startServer(t)
    await isServedDuring(t, server, async () => {
      const client = await Client.negotiating(server.socket)
      await pour(client, option, 40 * MIB)
      client.close()
    })
  })
}

const option = (type: number): Buffer => optionBytes(type, new Uint8Array(), 32 * MIB)
const write = (offset: number): Buffer => requestBytes({ type: CMD.WRITE, offset, length: 32 * MIB })
const endless: Record<string, readonly [connect: (path: string) => Promise<Client>, announcement: Buffer]> = {
  NBD_OPT_EXPORT_NAME: [(path) => Client.negotiating(path), option(OPT.EXPORT_NAME)],
  NBD_OPT_GO: [(path) => Client.negotiating(path), option(OPT.GO)],
  NBD_OPT_LIST: [(path) => Client.negotiating(path), option(OPT.LIST)],
  'an option that is refused': [(path) => Client.negotiating(path), option(99)],
  NBD_CMD_WRITE: [(path) => Client.transmitting(path), write(0)],
  'an NBD_CMD_WRITE that is refused': [(path) => Client.transmitting(path), write(SIZE)],
}

for (const [what, [connect, announcement]] of Object.entries(endless)) {
  testOnLinux(`forty connections with ${what} of 32 MiB, which never ends`, async (t) => {
    const server = await startServer(t)
    const flood = async (): Promise<void> => {
      const clients: Client[] = []
      for (let index = 0; index < 40; index++) clients.push(await connect(server.socket))
      for (const client of clients) client.send(announcement)
      await Promise.all(clients.map((client) => pour(client, Buffer.alloc(64 * 1024), 20 * MIB)))
      await sleep(200)
      for (const client of clients) client.close()
    }
    await isServedDuring(t, server, flood, PASSING_GROWTH_MAX)
  })
}

testOnLinux('a hundred connections that read nothing and send byte by byte', async (t) => {
  const server = await startServer(t)
  await isServedDuring(t, server, async () => {
    const clients: Client[] = []
    for (let index = 0; index < 100; index++) clients.push(await Client.transmitting(server.socket))
    for (const client of clients) client.send(requestBytes({ type: CMD.READ, length: MIB }))
    await sleep(200)
    for (let sent = 0; sent < 4000; sent++) {
      for (const { socket } of clients) if (socket.writableLength === 0) socket.write(Buffer.alloc(1))
      await sleep(1)
    }
    for (const client of clients) client.close()
  })
})

testOnLinux('all connections taken by clients that negotiate without end: the next one is served', async (t) => {
  const server = await startServer(t)
  await isServedDuring(t, server, async () => {
    const idle: Client[] = []
    for (let index = 0; index < 300; index++) idle.push(await Client.connect(server.socket))
    const late = await Client.transmitting(server.socket)
    await late.write(0, Buffer.alloc(512))
    t.true(server.openDescriptors() < 200, `${server.openDescriptors()} descriptors`)
    for (const client of [late, ...idle]) client.close()
  })
})

testOnLinux(
  'all connections taken by clients that stay: the next one is refused, and served when one has gone',
  async (t) => {
    const server = await startServer(t)
    const staying: Client[] = []
    let refused: Client | undefined
    while (refused === undefined && staying.length < 300) {
      const client = await Client.connect(server.socket)
      const greeting = await client.receive(18).catch(() => null)
      if (greeting === null) refused = client
      else {
        client.send(Buffer.from([0, 0, 0, 3]))
        t.is((await client.option(OPT.GO, infoData())).at(-1)?.type, REP.ACK)
        staying.push(client)
      }
    }
    t.true(staying.length > 40 && staying.length < 300, `${staying.length} connections`)
    for (const client of staying) await client.write(0, Buffer.alloc(512))
    const descriptors = server.openDescriptors()
    staying.pop()?.close()
    await server.until(() => server.openDescriptors() < descriptors)
    staying.push(await Client.transmitting(server.socket))
    for (const client of staying) client.close()
  },
)

testOnLinux('clients that leave are no lines of the log, and bad ones are few', async (t) => {
  const server = await startServer(t)
  const descriptors = server.openDescriptors()
  for (let index = 0; index < 200; index++) {
    const client = await Client.transmitting(server.socket)
    // With an answer on its way, which is an error of the socket.
    if (index % 2 === 0) client.send(requestBytes({ type: CMD.READ, length: MIB }))
    client.close()
    ;(await Client.negotiating(server.socket)).close()
    ;(await Client.connect(server.socket)).close()
  }
  await server.until(() => server.openDescriptors() <= descriptors)
  t.deepEqual(server.logged, [])
  for (let index = 0; index < 500; index++) {
    const client = await Client.negotiating(server.socket)
    client.send(Buffer.alloc(16))
    t.true(await client.isHungUpOn())
  }
  await server.until(() => server.openDescriptors() <= descriptors)
  await server.stop()
  t.true(server.logged.length > 0 && server.logged.length < 150, server.logged.join('\n'))
})

testOnLinux('the server ends when it is asked to, whoever is there', async (t) => {
  const server = await startServer(t)
  const clients = [await Client.connect(server.socket), await Client.transmitting(server.socket)]
  const flooding = await Client.transmitting(server.socket)
  await pour(flooding, requestBytes({ type: CMD.READ, length: MIB }), MIB)
  t.is(await server.stop(), 0)
  t.regex(server.printed.at(-1) ?? '', /mapped anew/)
  for (const client of [flooding, ...clients]) client.close()
})
