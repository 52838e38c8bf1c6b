/**
 * Watches the runners with threads of this client, each by an idle connection to its port. The engine itself notices
 * the death of a runner only when a lock has expired, half a minute later by default.
 *
 * A closed connection is tried once more. If the port refuses, the process is gone: its threads are fenced, and settle at
 * once. A frozen or unreachable runner keeps its connection, and is not judged here.
 */
import { connect, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import type { RunnerId } from "../wire/runnerId.ts"

/** A connection attempt that takes longer proves nothing. */
const connectMillis = 1000

/** `refused`: no process listens on the port. `closed`: a connection was there. `unknown`: neither. */
type Ended = "refused" | "closed" | "unknown"

/** A connection without a thread is kept for so long. */
const idleMillis = 5000

interface Watched<A> {
  readonly runner: RunnerId
  readonly threads: Set<A>
  readonly close: () => void
}

export class RunnerWatch<A extends object> {
  private readonly watched = new Map<string, Watched<A>>()
  private readonly onGone: (runner: RunnerId, threads: ReadonlyArray<A>) => void

  constructor(onGone: (runner: RunnerId, threads: ReadonlyArray<A>) => void) {
    this.onGone = onGone
  }

  add(runner: RunnerId, thread: A): void {
    const known = this.watched.get(runner.incarnation)
    if (known !== undefined) return void known.threads.add(thread)
    const { host, port } = runner
    if (host === null || port === null) return
    const threads = new Set<A>([thread])
    const close = watch(host, port, () => {
      this.watched.delete(runner.incarnation)
      this.onGone(runner, Array.from(threads))
    })
    this.watched.set(runner.incarnation, { runner, threads, close })
  }

  remove(runner: RunnerId, thread: A): void {
    const known = this.watched.get(runner.incarnation)
    if (known === undefined || !known.threads.delete(thread) || known.threads.size > 0) return
    // The next thread may start soon, and needs the connection again.
    const timer = setTimeout(() => {
      if (known.threads.size > 0 || this.watched.get(runner.incarnation) !== known) return
      this.watched.delete(runner.incarnation)
      known.close()
    }, idleMillis)
    timer.unref()
  }

  /** The watched runners, each with its threads. */
  get all(): ReadonlyArray<{ readonly runner: RunnerId; readonly threads: ReadonlyArray<A> }> {
    return Array.from(this.watched.values(), ({ runner, threads }) => ({ runner, threads: Array.from(threads) }))
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => {
      for (const { close } of this.watched.values()) close()
      this.watched.clear()
    })
  }
}

/**
 * Calls `onGone` when a process that listened on the port does so no more. The result ends the watch.
 *
 * A port that has never accepted a connection proves nothing: the address may be wrong here, or a firewall may refuse.
 */
const watch = (host: string, port: number, onGone: () => void): (() => void) => {
  let socket: Socket
  let isOver = false
  let wasConnected = false
  let wasSoon = false
  let timer: NodeJS.Timeout | undefined
  const attempt = (): void => {
    const begun = performance.now()
    socket = tried(host, port, (ended) => {
      if (isOver) return
      if (ended === "closed") {
        wasConnected = true
        // A proxy may close each connection at once: no two attempts in a row follow at once.
        const isSoon = performance.now() - begun < connectMillis && wasSoon
        wasSoon = !isSoon
        if (!isSoon) return attempt()
      }
      if (ended === "refused" && wasConnected) {
        isOver = true
        return onGone()
      }
      timer = setTimeout(attempt, connectMillis)
      timer.unref()
    })
    socket.unref()
  }
  attempt()
  return () => {
    isOver = true
    clearTimeout(timer)
    socket.destroy()
  }
}

/** Connects, and calls `onEnd` when the connection has closed or was refused. */
const tried = (host: string, port: number, onEnd: (ended: Ended) => void): Socket => {
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
  })
  // Bytes of the runner are not for this connection.
  socket.resume()
  socket.on("error", (error: NodeJS.ErrnoException) => (code = error.code))
  socket.on("close", () => {
    if (isConnected) onEnd("closed")
    else onEnd(code === "ECONNREFUSED" ? "refused" : "unknown")
  })
  return socket
}
