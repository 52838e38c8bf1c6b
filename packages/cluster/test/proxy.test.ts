/** A client that reaches its runner through a proxy. */
import { CancelReason, ForcedEnd, Thread, ThreadDump } from "@quiesce/core"
import { Effect, Option } from "effect"
import { expect, it } from "vitest"
import { Cluster } from "./fixtures/processes.ts"
import { Proxy } from "./fixtures/proxy.ts"

const whenHeld = (thread: Thread.Thread<unknown, unknown>): Effect.Effect<void> =>
  Effect.flatMap(ThreadDump.of(thread), (dump) =>
    dump.leases.length > 0 ? Effect.void : Effect.andThen(Effect.sleep(5), whenHeld(thread))
  )

it("threads start once and settle behind a proxy that delays, half-closes and drops", async () => {
  await using cluster = new Cluster()
  const { listen, runner } = await cluster.startBehindProxy()
  using proxy = await Proxy.open(runner.port, listen)
  await cluster.run((threads) =>
    Effect.gen(function* () {
      const held = (name: string) =>
        Effect.tap(threads.spawn("Hold", { file: cluster.log, name, releaseMillis: 0 }), whenHeld)
      const slow = yield* held("slow")
      proxy.delayMillis = 50
      yield* Thread.interrupt(slow, { reason: CancelReason.interrupted({ message: "enough" }) })
      expect(cluster.events).toContain("release slow")
      proxy.delayMillis = 0
      const half = yield* held("half")
      proxy.halfClose()
      yield* Thread.interrupt(half)
      expect(cluster.events).toContain("release half")
      const dropped = yield* held("dropped")
      proxy.drop()
      // The port refuses, so that the runner counts as dead. The runner lives, and ends the body.
      const exit = yield* Thread.await(dropped)
      expect(Option.map(ForcedEnd.fromExit(exit), ({ lost }) => lost)).toEqual(Option.some(["page"]))
      yield* cluster.whenLogged("release dropped")
    })
  )
  const starts = cluster.events.filter((event) => event.startsWith("start "))
  expect(starts).toEqual(["start slow", "start half", "start dropped"])
  expect(runner.process.exitCode).toBeNull()
})
