/**
 * Watches the port of a process by an idle connection. A closed connection is tried once more. If the port refuses then, the
 * process is gone.
 *
 * A port that has never accepted a connection of this watch proves nothing by itself: the address may be wrong here, or a
 * firewall may refuse. The user of the watch may know more: see `RunnerWatch.giveUp`.
 */
import { connect, type Socket } from "node:net"

/** A connection attempt that takes longer proves nothing. */
const connectMillis = 1000

/** `refused`: no process listens on the port. `closed`: a connection was there. `unknown`: neither. */
type Ended = "refused" | "closed" | "unknown"

/**
 * - `untried`: no connection was accepted so far, and the last attempt has not ended or proves nothing
 * - `refusing`: no connection was accepted so far, and the last attempt was refused
 * - `accepted`: a connection was accepted, now or earlier
 * - `over`: the watch has ended
 */
type State = "untried" | "refusing" | "accepted" | "over"

export class PortWatch {
  private readonly host: string
  private readonly port: number
  private readonly onGone: () => void
  private state: State = "untried"
  private socket: Socket | undefined = undefined
  private timer: NodeJS.Timeout | undefined = undefined
  private wasSoon = false

  /** `onGone` is called once, when a process that listened on the port does so no more. */
  constructor(host: string, port: number, onGone: () => void) {
    this.host = host
    this.port = port
    this.onGone = onGone
    this.attempt()
  }

  get isUnproven(): boolean {
    return this.state === "untried" || this.state === "refusing"
  }

  /** Takes the process for gone if the port has only refused so far. */
  giveUp(): void {
    if (this.state === "refusing") this.gone()
  }

  close(): void {
    this.state = "over"
    clearTimeout(this.timer)
    this.socket?.destroy()
  }

  private gone(): void {
    this.close()
    this.onGone()
  }

  private attempt(): void {
    const begun = performance.now()
    if (this.state === "refusing") this.state = "untried"
    const onConnect = (): void => {
      if (this.state === "untried") this.state = "accepted"
    }
    this.socket = tried(this.host, this.port, onConnect, (ended) => this.ended(ended, begun))
    this.socket.unref()
  }

  private ended(ended: Ended, begun: number): void {
    if (this.state === "over") return
    if (ended === "closed") {
      // A proxy may close each connection at once: no two attempts in a row follow at once.
      const isSoon = performance.now() - begun < connectMillis && this.wasSoon
      this.wasSoon = !isSoon
      if (!isSoon) return this.attempt()
    }
    if (ended === "refused") {
      if (this.state === "accepted") return this.gone()
      this.state = "refusing"
    }
    this.timer = setTimeout(() => this.attempt(), connectMillis)
    this.timer.unref()
  }
}

/** Connects, and calls `onEnd` when the connection has closed or was refused. */
const tried = (host: string, port: number, onConnect: () => void, onEnd: (ended: Ended) => void): Socket => {
  const socket = connect({ host, port })
  let isConnected = false
  let code: string | undefined
  socket.setTimeout(connectMillis, () => {
    if (!isConnected) socket.destroy()
  })
  socket.on("connect", () => {
    isConnected = true
    socket.setTimeout(0)
    socket.setKeepAlive(true, connectMillis)
    onConnect()
  })
  // Bytes of the process are not for this connection.
  socket.resume()
  socket.on("error", (error: NodeJS.ErrnoException) => (code = error.code))
  socket.on("close", () => {
    if (isConnected) onEnd("closed")
    else onEnd(code === "ECONNREFUSED" ? "refused" : "unknown")
  })
  return socket
}
