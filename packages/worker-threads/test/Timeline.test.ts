import { Lease, Thread } from "@quiesce/core"
import * as Timeline from "@quiesce/core/Timeline"
import { Effect } from "effect"
import { expect, it } from "vitest"
import { Cell } from "./fixtures/cells.ts"
import { makeCells } from "./fixtures/contract.ts"
import { makePool, whenSet } from "./support.ts"

it("a timeline contains the calls of a pool: their wait, their worker, their rungs, their leases and their end", () =>
  Effect.gen(function* () {
    const recording = yield* Timeline.record()
    const pool = yield* makePool()
    expect(yield* pool.execute("Add", { a: 1, b: 2 })).toBe(3)
    const cells = makeCells()
    const spinning = yield* pool.spawn("Spin", { cells, lease: "page" })
    yield* whenSet(cells, Cell.begun)
    // A message notifies the host of the lease.
    yield* Effect.repeat(Effect.andThen(Effect.sleep(1), Lease.tally(spinning)), {
      until: ({ acquired }) => acquired === 1
    })
    const queued = yield* pool.spawn("Add", { a: 1, b: 2 }, { name: "queued" })
    yield* Thread.interrupt(queued)
    yield* Thread.shutdown(spinning, { escalation: { kill: "1 minute" } })
    const { events, leases, threads } = yield* recording.read

    const known = new Set(threads.map(({ id }) => id))
    expect([known.size, events.every(({ thread }) => known.has(thread))]).toEqual([threads.length, true])
    const calls = threads.filter(({ name }) => ["Add", "Spin", "queued"].includes(name))
    expect(calls).toMatchObject([
      { name: "Add", place: expect.stringMatching(/^worker-\d+$/), asked: [], end: "Succeeded" },
      { name: "Spin", place: calls[0]!.place, asked: [{ rung: "kill" }], end: "Killed" },
      { name: "queued", place: null, startedAt: null, asked: [{ rung: "interrupt" }], end: "NeverStarted" }
    ])
    expect(calls[0]!.startedAt).toBeGreaterThanOrEqual(calls[0]!.spawnedAt)
    expect(events.filter(({ thread }) => thread === calls[1]!.id).map(({ _tag }) => _tag)).toEqual([
      "Spawned",
      "Started",
      "Acquired",
      "Asked",
      "LeaseEnded",
      "Ended"
    ])
    expect(leases.filter(({ thread }) => thread === calls[1]!.id)).toMatchObject([
      { name: "page", releasingAt: null, result: "lost" }
    ])
  }).pipe(Effect.scoped, Effect.runPromise))
