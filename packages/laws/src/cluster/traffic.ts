/**
 * Notices when nothing is under way between a client and its runners: no task of Effect's default scheduler is queued, and
 * each byte that one side has written was read by the other.
 */
import { subscribe } from "node:diagnostics_channel"
import type { Socket } from "node:net"
import * as Context from "effect/Context"
import * as Scheduler from "effect/Scheduler"
import type { Bytes } from "../workers/messages.ts"

/** The number of turns of the event loop without a task after which no message waits to be read. */
const quietTurns = 3

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export class Traffic {
  /** The scheduler of the engine, with counted tasks. */
  readonly scheduler: Scheduler.Scheduler = Context.get(Context.empty(), Scheduler.Scheduler)
  private readonly sockets = new Map<number, Socket>()
  private queued = 0
  private ran = 0

  /** Has to be made before Effect runs anything, because only later tasks are counted. */
  constructor(side: "client" | "runner") {
    subscribe(`net.${side === "client" ? "client" : "server"}.socket`, (message) => {
      // The documented message of both channels.
      const { socket } = message as { readonly socket: Socket }
      if (side === "runner") return this.add(socket, socket.remotePort)
      socket.once("connect", () => this.add(socket, socket.localPort))
    })
    this.count()
  }

  private add(socket: Socket, port: number | undefined): void {
    if (port === undefined) return
    this.sockets.set(port, socket)
    socket.once("close", () => this.sockets.delete(port))
  }

  private count(): void {
    const { scheduler } = this
    const makeDispatcher = scheduler.makeDispatcher.bind(scheduler)
    Object.assign(scheduler, {
      makeDispatcher: (): Scheduler.SchedulerDispatcher => {
        const inner = makeDispatcher()
        return {
          scheduleTask: (task, priority) => {
            this.queued++
            inner.scheduleTask(() => {
              this.queued--
              this.ran++
              task()
            }, priority)
          },
          flush: () => inner.flush()
        }
      }
    })
  }

  /** The bytes of each open connection. */
  get bytes(): Bytes {
    return Object.fromEntries(
      Array.from(this.sockets, ([port, { bytesRead, bytesWritten }]) => [port, [bytesRead, bytesWritten] as const])
    )
  }

  /** Counts the tasks that have run. */
  get activity(): number {
    return this.ran
  }

  get isQuiet(): boolean {
    return this.queued === 0
  }

  /** Completes when no task is queued, and none ran for a few turns. */
  async quiet(): Promise<void> {
    for (let turns = 0, seen = this.ran; turns < quietTurns; turns++) {
      await turn()
      if (this.queued === 0 && this.ran === seen) continue
      seen = this.ran
      turns = -1
    }
  }

  /** Whether all bytes of the connections that both sides have were read at the other side. */
  matches(others: Bytes): boolean {
    return Object.entries(this.bytes).every(([port, [read, written]]) => {
      const other = others[port]
      return other === undefined || (other[0] === written && other[1] === read)
    })
  }

  /** Whether all bytes were read that the other side had written. */
  hasRead(others: Bytes): boolean {
    return Object.entries(this.bytes).every(([port, [read]]) => (others[port]?.[1] ?? 0) <= read)
  }
}
