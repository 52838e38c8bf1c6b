/** Chains of threads, each with a lease and a child. Each lease is released, for chains of any depth. */
import { Deadline, Lease, Thread, ThreadDump, ThreadGroup } from "@quiesce/core"
import * as ThreadAdapter from "@quiesce/core/adapter"
import { Cause, Deferred, Effect, Exit, Option, References, Scope } from "effect"
import { describe, expect, it } from "vitest"

type Body = Effect.Effect<unknown, unknown, Scope.Scope>

/** The relations of a thread of a chain to its child. */
const links: Readonly<Record<string, (body: Body) => Body>> = {
  "in its own scope": (body) => body,
  "in a scope of its body": (body) => Effect.scoped(body),
  "under a deadline": (body) => Deadline.within(body, "1 hour")
}

const makeChain = (depth: number, link: (body: Body) => Body, joins = false) =>
  Effect.gen(function* () {
    const counts = { acquired: 0, released: 0 }
    const ready = yield* Deferred.make<void>()
    const lease = Lease.acquire({
      name: "lease",
      acquire: Effect.sync(() => counts.acquired++),
      release: () => Effect.sync(() => counts.released++)
    })
    const body = (left: number): Body =>
      link(
        Effect.gen(function* () {
          yield* lease
          if (left === 1) yield* Deferred.succeed(ready, undefined)
          else {
            const child = yield* Thread.spawn(body(left - 1))
            if (joins) yield* Thread.join(child)
          }
          return yield* Effect.never
        })
      )
    return { body: body(depth), counts, ready: Deferred.await(ready) }
  })

/** The ways in which the root of a chain ends. */
const ends: Readonly<Record<string, (root: Thread.Thread<unknown, unknown>) => Effect.Effect<unknown, unknown>>> = {
  interrupt: (root) => Thread.interrupt(root),
  interruptFork: (root) => Effect.andThen(Thread.interruptFork(root), Thread.await(root)),
  "stop, then interrupt": (root) => Effect.andThen(Thread.stop(root), Thread.interrupt(root)),
  shutdown: (root) => Thread.shutdown(root, { escalation: { stop: "1 millis", interrupt: "1 hour" } })
}

const end = (
  depth: number,
  link: (body: Body) => Body,
  how: (root: Thread.Thread<unknown, unknown>) => Effect.Effect<unknown, unknown>,
  joins = false
) =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const { body, counts, ready } = yield* makeChain(depth, link, joins)
        const root = yield* Thread.spawn(body)
        yield* ready
        yield* how(root)
        return { counts, tally: yield* Lease.tally(root) }
      })
    )
  )

const allReleased = (depth: number) => ({
  counts: { acquired: depth, released: depth },
  tally: { acquired: depth, released: depth, failed: 0, timedOut: 0, lost: 0 }
})

describe.each(Object.entries(links))("a chain of 1,000 threads, each with its child %s", (_, link) => {
  it.each(Object.entries(ends))("releases all leases after %s", async (_, how) => {
    expect(await end(1000, link, how)).toEqual(allReleased(1000))
  })

  it("releases all leases if each thread joins its child", async () => {
    expect(await end(1000, link, ends["interrupt"]!, true)).toEqual(allReleased(1000))
  })

  it("releases all leases if the scope of the root closes", async () => {
    const counts = await Effect.runPromise(
      Effect.gen(function* () {
        const { body, counts, ready } = yield* makeChain(1000, link)
        const scope = yield* Scope.make()
        yield* Scope.provide(Thread.spawn(body), scope)
        yield* ready
        yield* Scope.close(scope, Exit.void)
        return counts
      })
    )
    expect(counts).toEqual({ acquired: 1000, released: 1000 })
  })
})

describe("a chain of 10,000 threads", () => {
  it.each(Object.entries(links))("with each child %s releases all leases after a shutdown", async (_, link) => {
    expect(await end(10_000, link, ends["shutdown"]!)).toEqual(allReleased(10_000))
  })

  it("has a report that lists each release, and a dump that lists each thread", async () => {
    const { dumped, report } = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { body, ready } = yield* makeChain(10_000, links["in its own scope"]!)
          const root = yield* Thread.spawn(body)
          yield* ready
          let dumped = 0
          for (let at = [yield* ThreadDump.of(root)]; at.length > 0; at = at.flatMap(({ children }) => children)) {
            dumped += at.length
          }
          return { dumped, report: yield* Thread.shutdown(root, { escalation: { interrupt: "1 hour" } }) }
        })
      )
    )
    expect(report.released).toHaveLength(10_000)
    expect(dumped).toBe(10_000)
  })

  it("that is abandoned counts each lease as released or lost", async () => {
    const { report, tally } = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { body, ready } = yield* makeChain(10_000, links["in its own scope"]!)
          const root = yield* Thread.spawn(Effect.uninterruptible(Effect.andThen(body, Effect.never)))
          yield* ready
          const report = yield* Thread.shutdown(root, { escalation: { interrupt: "1 millis" } })
          return { report, tally: yield* Lease.tally(root) }
        })
      )
    )
    expect(report.ending._tag).toBe("Abandoned")
    expect(tally.released + tally.lost).toBe(10_000)
  })
})

it("a group of chains releases all leases", async () => {
  const counts = await Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const group = yield* ThreadGroup.make()
        const chains = yield* Effect.replicateEffect(makeChain(1000, links["in its own scope"]!), 10)
        for (const { body } of chains) yield* ThreadGroup.spawn(group, Effect.orDie(body))
        for (const { ready } of chains) yield* ready
        yield* ThreadGroup.shutdown(group, { escalation: { interrupt: "1 hour" } })
        return chains.map(({ counts }) => counts.released)
      })
    )
  )
  expect(counts).toEqual(Array.from({ length: 10 }, () => 1000))
})

describe("an adapter that throws at a request", () => {
  const broken = ThreadAdapter.spawn<never, never, never, never>(() => Effect.succeed(throwing), {
    name: "broken",
    // This thread never settles, and is abandoned.
    escalation: { interrupt: "1 millis" }
  })
  const throwing: ThreadAdapter.Controls = {
    requestStop: () => Effect.void,
    requestInterrupt: () => {
      throw new Error("the adapter has a fault")
    },
    raise: () => Effect.succeed(false),
    unwind: Option.none(),
    kill: Option.none(),
    locate: Effect.succeedNone
  }

  it("does not prevent the end of its siblings and of its parent's leases, and is in the parent's exit", async () => {
    const { exit, counts } = await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const { body, counts, ready } = yield* makeChain(2, links["in its own scope"]!)
          const parent = yield* Thread.spawn(
            Effect.andThen(
              Thread.spawn(Effect.never, { escalation: { interrupt: "1 hour" } }),
              Effect.andThen(broken, body)
            ),
            { escalation: { interrupt: "1 hour" } }
          )
          yield* ready
          yield* Thread.interrupt(parent)
          return { exit: yield* Thread.await(parent), counts }
        })
      ).pipe(Effect.timeout("30 seconds"), Effect.provideService(References.UnhandledLogLevel, undefined))
    )
    expect(counts).toEqual({ acquired: 2, released: 2 })
    expect(Exit.isFailure(exit) && Cause.pretty(exit.cause)).toContain("the adapter has a fault")
  })
})
