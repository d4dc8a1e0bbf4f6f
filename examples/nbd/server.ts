import { createServer, type Server, type Socket } from 'node:net'
import { Connection, DisconnectedError, HangUpError, SOCKET_OPTIONS } from './connection.js'
import type { ExportedMemory } from './exported-memory.js'
import { negotiate } from './handshake.js'
import { serveRequests } from './transmission.js'

/** At a time. A client that makes the most of the limits costs some 200 KiB. */
const CONNECTIONS_MAX = 128

export interface Settings {
  /** Seconds until the transmission phase; 0 for as long as it takes. */
  readonly handshakeLimit: number
  readonly log: (line: string) => void
}

/** Serves memory to all who connect. */
export function createNbdServer(exported: ExportedMemory, { handshakeLimit, log }: Settings): Server {
  const connected = new Set<Socket>()
  /** Those of them who have not come to terms yet, in the order in which they came. */
  const negotiating = new Set<Socket>()

  function forget(socket: Socket): void {
    connected.delete(socket)
    negotiating.delete(socket)
  }

  /** Makes room for one more, and tells if there is any. Of those who negotiate, the first must go: it has had the most time. */
  function hasRoom(): boolean {
    if (connected.size < CONNECTIONS_MAX) return true
    log(`more than ${CONNECTIONS_MAX} connections`)
    const [first] = negotiating
    if (first === undefined) return false
    forget(first)
    first.destroy()
    return true
  }

  async function serve(socket: Socket): Promise<void> {
    const connection = new Connection(socket)
    const hangUp = (): void => {
      log(`a handshake took longer than ${handshakeLimit} s`)
      socket.destroy()
    }
    const timer = handshakeLimit > 0 ? setTimeout(hangUp, 1000 * handshakeLimit) : undefined
    try {
      const terms = await negotiate(connection, exported)
      clearTimeout(timer)
      negotiating.delete(socket)
      if (terms !== null) await serveRequests(connection, exported, terms)
    } catch (error) {
      if (error instanceof HangUpError) log(`hung up on a client: ${error.message}`)
      else if (!(error instanceof DisconnectedError)) log(String(error))
    } finally {
      clearTimeout(timer)
      connection.end()
    }
  }

  return createServer(SOCKET_OPTIONS, (socket) => {
    if (!hasRoom()) {
      socket.destroy()
      return
    }
    connected.add(socket)
    negotiating.add(socket)
    socket.once('close', () => forget(socket))
    void serve(socket)
  })
}
