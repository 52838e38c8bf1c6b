import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Lease, Thread } from "@quiesce/core"
import * as Timeline from "@quiesce/core/Timeline"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { Effect, Exit, Option } from "effect"
import { TestClock } from "effect/testing"
import { noteStep } from "../src/internal/threadNode.ts"
import { defectOf, hung, settle } from "./support.ts"

/** The text of a timeline with the numbers of the threads in their order, and without the milliseconds' zeros. */
const textOf = (timeline: Timeline.Timeline): ReadonlyArray<string> => {
  const numbers = new Map(timeline.threads.map(({ id }, index) => [id, index + 1]))
  return Timeline.render(timeline)
    .replaceAll(/#(\d+)/g, (_, id: string) => `#${numbers.get(id)}`)
    .replaceAll(/\.000 ms/g, "")
    .split("\n")
}

const lease = (name: string, millis: number) =>
  Lease.acquire({ name, acquire: Effect.void, release: () => (millis === 0 ? Effect.void : Effect.sleep(millis)) })

/** An adapter whose threads begin at a call of the test. */
const remote = (name: string) =>
  Effect.gen(function* () {
    let cell: ThreadAdapter.RemoteThread<number, never> | undefined
    let hasStarted = false
    const thread = yield* ThreadAdapter.spawn<number, never, never, never>(
      (made) => {
        cell = made
        return Effect.succeed({
          get hasStarted() {
            return hasStarted
          },
          requestStop: () => Effect.void,
          requestInterrupt: () => Effect.void,
          unwind: Option.none(),
          kill: Option.some((reason) => Effect.sync(() => made.settle(Exit.failCause(CancelReason.toCause(reason))))),
          locate: Effect.succeedNone
        })
      },
      { name }
    )
    const start = () => {
      hasStarted = true
      cell!.started("worker", 7)
    }
    return { cell: cell!, start, thread }
  })

const givenUp =
  'The release of lease "page" did not end within its limit of 25 ms and was given up; the resource may still be held. Find out why the release waits, or raise releaseWithin.'

describe("Timeline.record", () => {
  it.effect("has each event of a thread in order, with the times of the clock", () =>
    Effect.gen(function* () {
      const recording = yield* Timeline.record()
      const server = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* lease("socket", 20)
          yield* Thread.spawn(Effect.delay(Effect.fail(new Error("bad request")), 5), { name: "request" })
          yield* Thread.spawn(Effect.andThen(lease("file", 10), Effect.never), { name: "reader" })
          yield* Effect.never
        }),
        { name: "server" }
      )
      yield* TestClock.adjust(100)
      yield* Thread.stop(server)
      yield* TestClock.adjust(50)
      yield* Thread.interruptFork(server, { reason: CancelReason.shutdown({ message: "The program ends" }) })
      yield* TestClock.adjust(100)
      expect(textOf(yield* recording.read)).toEqual([
        "3 threads, 21 events in 250 ms",
        "  0  server #1 spawned",
        "  0  server #1 started",
        '  0  server #1 acquired "socket"',
        "  0    request #2 spawned by server #1",
        "  0    reader #3 spawned by server #1",
        "  0    request #2 started",
        "  0    reader #3 started",
        '  0    reader #3 acquired "file"',
        "  5    request #2 failed: Error: bad request",
        "100  server #1 stop requested by main: Asked to stop",
        "100    reader #3 stop requested by main: Asked to stop",
        "150  server #1 interrupt requested by main: The program ends",
        "150  server #1 has run its body and cleans up",
        "150    reader #3 interrupt requested by main: Asked to stop",
        "150    reader #3 has run its body and cleans up",
        '150    reader #3 releases "file"',
        '160    reader #3 "file" released',
        "160    reader #3 interrupted: Asked to stop",
        '160  server #1 releases "socket"',
        '180  server #1 "socket" released',
        "180  server #1 interrupted: Asked to stop",
        'Slowest finalizer: "socket" of "server", 20 ms'
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("has the place and the wait of a remote thread, and its end by force", () =>
    Effect.gen(function* () {
      const recording = yield* Timeline.record()
      const { cell, start, thread } = yield* remote("job")
      yield* TestClock.adjust(30)
      start()
      const end = cell.enter("row lock")
      yield* TestClock.adjust(10)
      end("released", null)
      cell.enter("temporary file")
      yield* Thread.shutdown(thread, { escalation: { kill: "1 second" }, reason: CancelReason.shutdown() })
      const timeline = yield* recording.read
      expect(textOf(timeline)).toEqual([
        "1 thread, 8 events in 40 ms",
        " 0  job #1 spawned",
        "30  job #1 started on worker-7",
        '30  job #1 acquired "row lock"',
        '40  job #1 "row lock" released',
        '40  job #1 acquired "temporary file"',
        "40  job #1 kill requested by main: Shutting down",
        '40  job #1 "temporary file" lost',
        "40  job #1 interrupted: Shutting down"
      ])
      expect(timeline.threads[0]).toMatchObject({ spawnedAt: 0, startedAt: 30, place: "worker-7", end: "Interrupted" })
    }).pipe(Effect.scoped)
  )

  it.effect("has raised errors, releases that fail or are abandoned, and abandoned threads", () =>
    Effect.gen(function* () {
      const recording = yield* Timeline.record()
      const editor = yield* Thread.spawn(
        Effect.gen(function* () {
          yield* Lease.acquire({
            name: "file",
            acquire: Effect.void,
            release: () => Effect.die(new Error("disk full"))
          })
          yield* Lease.acquire({ name: "page", acquire: Effect.void, release: () => Effect.never, releaseWithin: 25 })
          return yield* Effect.never
        }),
        { name: "editor", startImmediately: true }
      )
      const stuck = yield* Thread.spawn(hung, { name: "stuck", startImmediately: true })
      const raiser = yield* Effect.forkChild(Thread.raise(editor, new Error("new filter")))
      yield* settle
      raiser.interruptUnsafe()
      yield* Effect.forkChild(Thread.shutdown(stuck, { escalation: { interrupt: 10 } }))
      yield* TestClock.adjust(10)
      yield* Thread.interruptFork(editor)
      yield* TestClock.adjust(25)
      expect(textOf(yield* recording.read).slice(1)).toEqual([
        " 0  editor #1 spawned",
        " 0  editor #1 started",
        ' 0  editor #1 acquired "file"',
        ' 0  editor #1 acquired "page"',
        " 0  stuck #2 spawned",
        " 0  stuck #2 started",
        " 0  editor #1 got an error raised: new filter",
        " 0  stuck #2 interrupt requested by main: Shutting down",
        "10  stuck #2 abandoned: Shutting down",
        "10  editor #1 interrupt requested by main: Interrupted",
        "10  editor #1 has run its body and cleans up",
        '10  editor #1 releases "page"',
        `35  editor #1 "page" release given up: ${givenUp}`,
        '35  editor #1 releases "file"',
        '35  editor #1 "file" release failed: Error: disk full',
        `35  editor #1 failed: ThreadError: ${givenUp}`,
        'Slowest finalizer: "page" of "editor", 25 ms, release given up'
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("shows a thread and a lease that are older than the recording, and those that are still live", () =>
    Effect.gen(function* () {
      yield* Thread.spawn(Effect.andThen(lease("file", 0), Effect.never), { name: "old", startImmediately: true })
      yield* TestClock.adjust(40)
      const recording = yield* Timeline.record()
      yield* TestClock.adjust(5)
      const { events, leases, threads, until } = yield* recording.read
      expect({ events, until }).toEqual({ events: [], until: 5 })
      expect(threads).toMatchObject([{ name: "old", parent: null, spawnedAt: -40, startedAt: -40, end: null }])
      expect(leases).toMatchObject([{ name: "file", thread: threads[0]!.id, acquiredAt: -40, endedAt: null }])
    }).pipe(Effect.scoped)
  )

  it.effect("keeps the last events, counts the others, and keeps live threads whole", () =>
    Effect.gen(function* () {
      const recording = yield* Timeline.record({ capacity: 10 })
      yield* Thread.spawn(Effect.never, { name: "long" })
      for (let index = 0; index < 100; index++) {
        yield* Effect.flatMap(Thread.spawn(Effect.void, { name: `short ${index}` }), Thread.join)
      }
      const { dropped, events, threads } = yield* recording.read
      expect(dropped).toBe(292)
      expect(events.map(({ _tag }) => _tag)).toEqual([
        "Ended",
        ...[1, 2, 3].flatMap(() => ["Spawned", "Started", "Ended"])
      ])
      expect(threads.map(({ name }) => name)).toEqual(["long", "short 96", "short 97", "short 98", "short 99"])
      // The spawn of this thread was dropped as an event, not as a time.
      expect(threads[1]).toMatchObject({ spawnedAt: 0, startedAt: 0, end: "Succeeded" })
    }).pipe(Effect.scoped)
  )

  it.effect("records nothing before its start and after the end of its scope", () =>
    Effect.gen(function* () {
      const worker = Effect.flatMap(Thread.spawn(Effect.void, { name: "worker" }), Thread.join)
      yield* worker
      const recording = yield* Effect.scoped(Timeline.record())
      yield* worker
      yield* TestClock.adjust(10)
      const timeline = yield* recording.read
      expect(timeline).toMatchObject({ events: [], threads: [], leases: [], until: 0, dropped: 0 })
      expect(noteStep).toBe(undefined)
    }).pipe(Effect.scoped)
  )

  it.effect("leaves out a thread that its adapter could not start", () =>
    Effect.gen(function* () {
      const recording = yield* Timeline.record()
      const failed = ThreadAdapter.spawn(() => Effect.fail("no room"), { name: "never made" })
      expect(yield* Effect.flip(failed)).toBe("no room")
      expect((yield* recording.read).threads).toEqual([])
    }).pipe(Effect.scoped)
  )

  it.effect("two recordings at once have the same events", () =>
    Effect.gen(function* () {
      const first = yield* Timeline.record()
      const second = yield* Timeline.record()
      yield* Effect.flatMap(Thread.spawn(Effect.void, { name: "worker" }), Thread.join)
      const [one, other] = [yield* first.read, yield* second.read]
      expect(one.events.length).toBe(3)
      expect(one).toEqual(other)
    }).pipe(Effect.scoped)
  )

  it.effect("refuses a capacity that is no number of events, and names the option", () =>
    Effect.gen(function* () {
      const wrong = [
        0,
        -1,
        1.5,
        NaN,
        Infinity,
        1_000_001,
        "10",
        null
      ] as ReadonlyArray<unknown> as ReadonlyArray<number>
      const messages = yield* Effect.forEach(wrong, (capacity) =>
        Effect.map(defectOf(Effect.scoped(Timeline.record({ capacity }))), ({ message }) => message)
      )
      expect(messages).toEqual(
        ["0", "-1", "1.5", "NaN", "Infinity", "1000001", '"10"', "null"].map(
          (given) => `The capacity of Timeline.record is ${given}. Give a number of events from 1 to 1000000.`
        )
      )
    })
  )
})
