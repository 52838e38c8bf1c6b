import { describe, expect, it } from "@effect/vitest"
import { CancelReason, Lease, Thread, ThreadDump } from "@quiesce/core"
import * as Schemas from "@quiesce/core/Schemas"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { Clock, Deferred, Effect, Exit, Fiber, Latch, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { endsIn, settle } from "./support.ts"

const now = { startImmediately: true } as const

const lease = (name: string, release: Effect.Effect<void> = Effect.void) =>
  Lease.acquire({ name, acquire: Effect.void, release: () => release })

/** A parent with a lease and with a child that has another lease. */
const family = Thread.spawn(
  Effect.gen(function* () {
    yield* lease("pool")
    yield* Thread.spawn(Effect.andThen(lease("socket"), Effect.never), { ...now, name: "child" })
    yield* Effect.never
  }),
  { ...now, name: "parent" }
)

const heldOutside = (name: string) =>
  Effect.map(ThreadDump.make, ({ leases }) => leases.find((found) => found.name === name))

/** The controls of a thread that is busy on a worker. */
const busyOnWorker: ThreadAdapter.Controls = {
  requestStop: () => Effect.void,
  requestInterrupt: () => Effect.void,
  unwind: Option.none(),
  kill: Option.none(),
  locate: Effect.succeedSome("    at spin (file:///busy.ts:1:2)"),
  runsOn: "worker 3"
}

const realClock: Clock.Clock = Effect.runSync(Clock.clockWith(Effect.succeed))

describe("ThreadDump", () => {
  it.effect(
    "shows the ages of a thread and its leases by the clock of the thread, also in a dump under another clock",
    () =>
      Effect.gen(function* () {
        const thread = yield* family
        yield* TestClock.adjust(5)
        const dump = yield* Effect.provideService(ThreadDump.make, Clock.Clock, realClock)
        const dumped = dump.threads.find(({ id }) => id === thread.id)!
        expect(dumped).toMatchObject({ ageMillis: 5, leases: [{ name: "pool", ageMillis: 5 }] })
        expect(dumped.children).toMatchObject([{ ageMillis: 5, leases: [{ name: "socket", ageMillis: 5 }] }])
        expect(yield* Effect.provideService(ThreadDump.of(thread), Clock.Clock, realClock)).toEqual(dumped)
      })
  )

  it.effect("of a thread is its tree with the leases and their ages", () =>
    Effect.gen(function* () {
      const thread = yield* family
      yield* TestClock.adjust(5)
      expect(yield* ThreadDump.of(thread)).toEqual({
        id: thread.id,
        name: "parent",
        status: "running",
        rung: null,
        reason: null,
        ageMillis: 5,
        leases: [{ name: "pool", ageMillis: 5, releasingMillis: null }],
        children: [
          {
            id: expect.any(Number),
            name: "child",
            status: "running",
            rung: null,
            reason: null,
            ageMillis: 5,
            leases: [{ name: "socket", ageMillis: 5, releasingMillis: null }],
            children: []
          }
        ]
      })
    })
  )

  it.effect("shows the rung and the reason, and the running release with its age", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* Thread.spawn(Effect.andThen(lease("slow", gate.await), Effect.never), now)
      yield* Thread.stop(thread, { reason: CancelReason.stopped({ message: "enough" }) })
      expect(yield* ThreadDump.of(thread)).toMatchObject({ status: "stopping", rung: "stop" })
      yield* TestClock.adjust(3)
      yield* Thread.interruptFork(thread)
      yield* TestClock.adjust(4)
      expect(yield* ThreadDump.of(thread)).toMatchObject({
        status: "cancelled",
        rung: "interrupt",
        reason: { message: "enough" },
        leases: [{ name: "slow", ageMillis: 7, releasingMillis: 4 }]
      })
      yield* gate.open
    })
  )

  it.effect("of an ended thread has the status done and no lease", () =>
    Effect.gen(function* () {
      const thread = yield* Thread.spawn(Effect.asVoid(lease("file")))
      yield* Thread.join(thread)
      expect(yield* ThreadDump.of(thread)).toMatchObject({ status: "done", rung: null, leases: [], children: [] })
    })
  )

  it.effect("has live threads, and abandoned threads until their real end", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const stuck = yield* Thread.spawn(Effect.uninterruptible(gate.await), now)
      const shown = Effect.map(ThreadDump.make, (dump) => dump.threads.find((thread) => thread.id === stuck.id)?.status)
      expect(yield* shown).toBe("running")
      yield* endsIn(Thread.shutdown(stuck, { escalation: { interrupt: 10 } }), 10)
      expect(yield* shown).toBe("abandoned")
      yield* gate.open
      yield* settle
      expect(yield* shown).toBeUndefined()
      expect((yield* ThreadDump.of(stuck)).status).toBe("done")
    })
  )

  it.effect("shows the leases that are held outside any thread", () =>
    Effect.gen(function* () {
      yield* lease("global")
      const { leases } = yield* ThreadDump.make
      expect(leases.map((held) => held.name)).toContain("global")
    })
  )

  it.effect("keeps no ended thread", () =>
    Effect.gen(function* () {
      const thread = yield* family
      yield* Thread.interrupt(thread)
      const { threads } = yield* ThreadDump.make
      expect(threads.filter((found) => found.id === thread.id)).toEqual([])
    })
  )

  it.effect("survives JSON", () =>
    Effect.gen(function* () {
      const thread = yield* family
      const gate = yield* Latch.make()
      const ending = yield* Thread.spawn(Effect.andThen(lease("slow", gate.await), Effect.never), now)
      yield* Thread.stop(thread, { reason: CancelReason.shutdown({ message: "bye", signal: "SIGTERM" }) })
      yield* Thread.interruptFork(ending, { reason: CancelReason.timedOut(5) })
      const dump = yield* ThreadDump.make
      const json = JSON.stringify(Schema.encodeSync(Schemas.ThreadDump)(dump))
      expect(Schema.decodeUnknownSync(Schemas.ThreadDump)(JSON.parse(json))).toEqual(dump)
      expect(dump.threads.length).toBeGreaterThanOrEqual(2)
      yield* gate.open
    })
  )

  it.effect("renders one thread a line, indented below its parent, and one lease a line", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const thread = yield* family
      const other = yield* Thread.spawn(Effect.andThen(lease("slow", gate.await), Effect.never), {
        ...now,
        name: "other"
      })
      yield* TestClock.adjust(5)
      yield* Thread.interruptFork(other, { reason: CancelReason.interrupted({ message: "why" }) })
      yield* TestClock.adjust(2)
      const threads = [yield* ThreadDump.of(thread), yield* ThreadDump.of(other)]
      const text = ThreadDump.render({ at: 7, leases: [{ name: "g", ageMillis: 1, releasingMillis: null }], threads })
      expect(text.split("\n")).toEqual([
        "- g, held for 1 ms",
        `parent #${thread.id} running, 7 ms`,
        "  - pool, held for 7 ms",
        expect.stringMatching(/^ {2}child #\d+ running, 7 ms$/),
        "    - socket, held for 7 ms",
        `other #${other.id} cancelled (interrupt: why), asked by main 2 ms ago, 7 ms`,
        "  - slow, held for 7 ms, releasing for 2 ms"
      ])
      yield* gate.open
    })
  )

  it.effect("shows a child that hangs below an abandoned thread", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      const masked = Effect.uninterruptible(gate.await)
      const stuck = yield* Thread.spawn(Effect.andThen(Thread.spawn(masked, { ...now, name: "below" }), masked), now)
      yield* endsIn(Thread.shutdown(stuck, { escalation: { interrupt: 10 } }), 10)
      const dump = yield* ThreadDump.make
      const found = dump.threads.find((thread) => thread.id === stuck.id)
      expect(found?.children.map((child) => child.name)).toEqual(["below"])
      yield* gate.open
    })
  )

  it.effect("whole has the stacks of busy threads, their places and the trees of other places", () =>
    Effect.gen(function* () {
      const ended = Deferred.makeUnsafe<() => void>()
      const busy = yield* ThreadAdapter.spawn(
        (remote: ThreadAdapter.RemoteThread<void, never>) =>
          Effect.as(
            Deferred.succeed(ended, () => remote.settle(Exit.void)),
            busyOnWorker
          ),
        { name: "busy" }
      )
      const inside = { at: 0, leases: [], threads: [] }
      const silent = ThreadAdapter.provideDumps(Effect.die("no answer"))
      const remove = ThreadAdapter.provideDumps(Effect.succeed([{ name: "worker-3", note: "busy", dump: inside }]))
      const dump = yield* ThreadDump.whole
      remove()
      silent()
      expect(dump.threads.find(({ id }) => id === busy.id)).toMatchObject({
        runsOn: "worker 3",
        stack: "    at spin (file:///busy.ts:1:2)"
      })
      expect(dump.elsewhere).toEqual([{ name: "worker-3", note: "busy", dump: inside }])
      expect(Schema.decodeUnknownSync(Schemas.ThreadDump)(JSON.parse(JSON.stringify(dump)))).toEqual(dump)
      const text = ThreadDump.render(dump)
      expect(text).toContain(`busy #${busy.id} running on worker 3, 0 ms\n    at spin (file:///busy.ts:1:2)`)
      expect(text).toContain("worker-3: busy")
      expect((yield* ThreadDump.whole).elsewhere).toBeUndefined()
      const end = yield* Deferred.await(ended)
      end()
    })
  )

  it.effect("whole waits a second at most for an answer", () =>
    Effect.gen(function* () {
      const remove = ThreadAdapter.provideDumps(Effect.never)
      const dump = yield* Effect.forkChild(ThreadDump.whole, { startImmediately: true })
      yield* TestClock.adjust(1000)
      expect((yield* Fiber.join(dump)).elsewhere).toBeUndefined()
      remove()
    })
  )

  it.effect("trackPlaces records the line that acquires a lease, until its scope closes", () =>
    Effect.gen(function* () {
      yield* Effect.scoped(
        Effect.andThen(
          ThreadDump.trackPlaces,
          Effect.suspend(() => Effect.void)
        )
      )
      yield* lease("before")
      expect(yield* heldOutside("before")).not.toHaveProperty("place")
      const within = Effect.gen(function* () {
        yield* ThreadDump.trackPlaces
        yield* lease("tracked")
        const tracked = yield* heldOutside("tracked")
        expect(tracked?.place).toMatch(/^at lease \(.*ThreadDump\.test\.ts:\d+:\d+\)$/)
        expect(ThreadDump.render({ at: 0, leases: [tracked!], threads: [] })).toContain(", acquired at lease (")
      })
      yield* Effect.scoped(within)
    })
  )

  it.effect("expose provides the dump as JSON to a debugger, with the cause of a foreign signal as text", () =>
    Effect.gen(function* () {
      ThreadDump.expose()
      const thread = yield* Thread.spawn(Effect.uninterruptible(Effect.sleep(5)), { ...now, name: "aborted" })
      yield* Thread.interruptFork(thread, { reason: CancelReason.aborted({ itself: 1n }) })
      const exposed = (globalThis as Readonly<Record<symbol, unknown>>)[Symbol.for("@quiesce/core/dump")]
      const json: unknown = JSON.parse((exposed as () => string)())
      const dump = Schema.decodeUnknownSync(Schemas.ThreadDump)(json)
      expect(dump.threads.find(({ id }) => id === thread.id)).toMatchObject({ reason: { _tag: "Aborted" } })
      yield* TestClock.adjust(5)
    })
  )

  it("render adds colours, and drops control sequences in a name", () => {
    const thread = {
      id: 1,
      name: "evil\u001b[2J",
      status: "running",
      rung: null,
      reason: null,
      ageMillis: 1,
      leases: [],
      children: []
    } as const
    const text = ThreadDump.render(
      { at: 0, leases: [], threads: [thread] },
      { paint: (part, text) => `<${part}>${text}</>` }
    )
    expect(text).toBe("<name>evil [2J</> #1 <fine>running</><detail>, 1 ms</>")
  })

  it("of no threads renders as an empty text", () => {
    expect(ThreadDump.render({ at: 0, leases: [], threads: [] })).toBe("")
  })
})
