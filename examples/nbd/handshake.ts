import { HangUpError, type Connection } from './connection.js'
import type { ExportedMemory } from './exported-memory.js'
import * as nbd from './protocol.js'

/** The one export, which is the default one as well. */
const EXPORT_NAME = 'memory'
const isExported = (name: string): boolean => name === EXPORT_NAME || name === ''

/** Bytes of an NBD_OPT_INFO or NBD_OPT_GO at the most: room for the longest name, and for every kind of information. */
const INFO_REQUEST_MAX = 2 * nbd.STRING_MAX

/** Comes to terms with the client on the export, and tells whether the transmission phase begins. */
export async function negotiate(connection: Connection, exported: ExportedMemory): Promise<boolean> {
  await connection.send(nbd.encodeGreeting())
  const flags = nbd.decodeClientFlags(await connection.receive(nbd.CLIENT_FLAGS_SIZE))
  if (flags === null) throw new HangUpError('unknown client flags')
  for (;;) {
    const header = nbd.decodeOption(await connection.receive(nbd.OPTION_HEADER_SIZE))
    // There is no telling where the next option begins.
    if (header === null) throw new HangUpError('what should be an option is none')
    const { option, length } = header
    if (option === nbd.OPT_EXPORT_NAME) {
      // This option alone has no reply that says no.
      const isKnown = length <= nbd.STRING_MAX && isExported(String(await connection.receive(length)))
      if (!isKnown) throw new HangUpError('an unknown export')
      const takesZeros = (flags & nbd.FLAG_NO_ZEROES) === 0
      await connection.send(nbd.encodeExport(exported.size), ...(takesZeros ? [nbd.RESERVED] : []))
      return true
    }
    const isInfoRequest = option === nbd.OPT_INFO || option === nbd.OPT_GO
    const data = isInfoRequest && length <= INFO_REQUEST_MAX ? await connection.receive(length) : null
    if (data === null) await connection.skip(length)
    let last = 0
    for (const [type, content] of isInfoRequest ? answerInfo(data, exported) : answer(header, exported)) {
      await connection.send(nbd.encodeOptionReply(option, type, content))
      last = type
    }
    if (option === nbd.OPT_ABORT) return false
    if (option === nbd.OPT_GO && last === nbd.REP_ACK) return true
  }
}

type OptionReply = readonly [type: number, data?: Uint8Array]

const refusal = (type: number, message: string): OptionReply => [type, Buffer.from(message)]

/** Answers an option whose data are of no interest. */
function answer({ option, length }: nbd.OptionHeader, { description }: ExportedMemory): OptionReply[] {
  switch (option) {
    case nbd.OPT_ABORT:
      return [[nbd.REP_ACK]]
    case nbd.OPT_LIST:
      if (length > 0) return [refusal(nbd.REP_ERR_INVALID, 'NBD_OPT_LIST has no data')]
      return [[nbd.REP_SERVER, nbd.encodeListed(EXPORT_NAME, description)], [nbd.REP_ACK]]
    default:
      return [refusal(nbd.REP_ERR_UNSUP, 'this option is not offered')]
  }
}

/** Answers NBD_OPT_INFO or NBD_OPT_GO, whose data are null when they are too long. */
function answerInfo(data: Buffer | null, { size, description }: ExportedMemory): OptionReply[] {
  if (data === null) return [refusal(nbd.REP_ERR_TOO_BIG, `more than ${INFO_REQUEST_MAX} bytes`)]
  const asked = nbd.decodeInfoRequest(data)
  if (asked === null) return [refusal(nbd.REP_ERR_INVALID, 'the lengths in this option contradict each other')]
  const { name, requests } = asked
  if (!isExported(name)) return [refusal(nbd.REP_ERR_UNKNOWN, `the only export is '${EXPORT_NAME}'`)]
  const told = [nbd.encodeExportInfo(size)]
  if (requests.has(nbd.INFO_NAME)) told.push(nbd.encodeTextInfo(nbd.INFO_NAME, EXPORT_NAME))
  if (requests.has(nbd.INFO_DESCRIPTION)) told.push(nbd.encodeTextInfo(nbd.INFO_DESCRIPTION, description))
  if (requests.has(nbd.INFO_BLOCK_SIZE)) told.push(nbd.encodeBlockSizeInfo())
  return [...told.map((content) => [nbd.REP_INFO, content] as const), [nbd.REP_ACK]]
}
