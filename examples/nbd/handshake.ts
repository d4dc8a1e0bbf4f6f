import { HangUpError, type Connection } from './connection.js'
import type { ExportedMemory } from './exported-memory.js'
import * as nbd from './protocol.js'

/** The one export, which is the default one as well. */
const EXPORT_NAME = 'memory'
const isExported = (name: string): boolean => name === EXPORT_NAME || name === ''

/** Bytes of an option at the most: room for the longest name, and for every kind of information, or many queries. */
const OPTION_MAX = 2 * nbd.STRING_MAX

/** Options whose data are of interest. */
const READ_OPTIONS = new Set([nbd.OPT_INFO, nbd.OPT_GO, nbd.OPT_LIST_META_CONTEXT, nbd.OPT_SET_META_CONTEXT])

/** What client and server have agreed on. */
export interface Terms {
  /** Replies have chunks: those to NBD_CMD_READ always, and errors. */
  isStructured: boolean
  /** NBD_CMD_BLOCK_STATUS may be asked. */
  tellsAllocation: boolean
}

/** Comes to terms with the client on the export. Returns null if the transmission phase does not begin. */
export async function negotiate(connection: Connection, exported: ExportedMemory): Promise<Terms | null> {
  const terms = { isStructured: false, tellsAllocation: false }
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
      await connection.send(nbd.encodeExport(exported.size, terms.isStructured), ...(takesZeros ? [nbd.RESERVED] : []))
      return terms
    }
    const data = READ_OPTIONS.has(option) && length <= OPTION_MAX ? await connection.receive(length) : null
    if (data === null) await connection.skip(length)
    let last = 0
    for (const [type, content] of answer(header, data, exported, terms)) {
      await connection.send(nbd.encodeOptionReply(option, type, content))
      last = type
    }
    if (option === nbd.OPT_ABORT) return null
    if (option === nbd.OPT_GO && last === nbd.REP_ACK) return terms
  }
}

type OptionReply = readonly [type: number, data?: Uint8Array]

const refusal = (type: number, message: string): OptionReply => [type, Buffer.from(message)]

/** Answers an option, and changes the terms. `data` are null when they are of no interest, or too long. */
function answer(
  { option, length }: nbd.OptionHeader,
  data: Buffer | null,
  exported: ExportedMemory,
  terms: Terms,
): OptionReply[] {
  if (READ_OPTIONS.has(option)) {
    // Also when it fails.
    if (option === nbd.OPT_SET_META_CONTEXT) terms.tellsAllocation = false
    if (data === null) return [refusal(nbd.REP_ERR_TOO_BIG, `more than ${OPTION_MAX} bytes`)]
    const isInfo = option === nbd.OPT_INFO || option === nbd.OPT_GO
    return isInfo ? answerInfo(data, exported, terms) : answerContexts(option, data, terms)
  }
  switch (option) {
    case nbd.OPT_ABORT:
      return [[nbd.REP_ACK]]
    case nbd.OPT_LIST:
      if (length > 0) return [refusal(nbd.REP_ERR_INVALID, 'NBD_OPT_LIST has no data')]
      return [[nbd.REP_SERVER, nbd.encodeListed(EXPORT_NAME, exported.description)], [nbd.REP_ACK]]
    case nbd.OPT_STRUCTURED_REPLY:
      if (length > 0) return [refusal(nbd.REP_ERR_INVALID, 'NBD_OPT_STRUCTURED_REPLY has no data')]
      terms.isStructured = true
      return [[nbd.REP_ACK]]
    default:
      return [refusal(nbd.REP_ERR_UNSUP, 'this option is not offered')]
  }
}

const contradictory = (): OptionReply[] => [
  refusal(nbd.REP_ERR_INVALID, 'the lengths in this option contradict each other'),
]
const unknown = (): OptionReply[] => [refusal(nbd.REP_ERR_UNKNOWN, `the only export is '${EXPORT_NAME}'`)]

/** Answers NBD_OPT_INFO or NBD_OPT_GO. */
function answerInfo(data: Buffer, { size, description }: ExportedMemory, { isStructured }: Terms): OptionReply[] {
  const asked = nbd.decodeInfoRequest(data)
  if (asked === null) return contradictory()
  const { name, requests } = asked
  if (!isExported(name)) return unknown()
  const told = [nbd.encodeExportInfo(size, isStructured)]
  if (requests.has(nbd.INFO_NAME)) told.push(nbd.encodeTextInfo(nbd.INFO_NAME, EXPORT_NAME))
  if (requests.has(nbd.INFO_DESCRIPTION)) told.push(nbd.encodeTextInfo(nbd.INFO_DESCRIPTION, description))
  if (requests.has(nbd.INFO_BLOCK_SIZE)) told.push(nbd.encodeBlockSizeInfo())
  return [...told.map((content) => [nbd.REP_INFO, content] as const), [nbd.REP_ACK]]
}

/** Answers NBD_OPT_LIST_META_CONTEXT or NBD_OPT_SET_META_CONTEXT, which chooses what is asked for later. */
function answerContexts(option: number, data: Buffer, terms: Terms): OptionReply[] {
  if (!terms.isStructured) return [refusal(nbd.REP_ERR_INVALID, 'NBD_OPT_STRUCTURED_REPLY has to come first')]
  const asked = nbd.decodeContextRequest(data)
  if (asked === null) return contradictory()
  const { name, queries } = asked
  if (!isExported(name)) return unknown()
  const isSet = option === nbd.OPT_SET_META_CONTEXT
  // Lists have all of a namespace whose name is asked for, and everything when nothing is. Names that are unknown are no errors.
  const isMeant = queries.includes(nbd.ALLOCATION) || (!isSet && (queries.length === 0 || queries.includes('base:')))
  const nameless = queries.find((query) => !query.includes(':'))
  if (nameless !== undefined) return [refusal(nbd.REP_ERR_INVALID, 'a query begins with a namespace and a colon')]
  if (isSet) terms.tellsAllocation = isMeant
  return [...(isMeant ? [[nbd.REP_META_CONTEXT, nbd.encodeContext(isSet)] as const] : []), [nbd.REP_ACK]]
}
