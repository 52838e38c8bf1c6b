/** Cancelling a parent ends its children and grandchildren, all for one reason, before the shutdown returns. */
import { CancelReason, Escalation, Thread, ThreadDump } from "@quiesce/core"
import { Effect, Option } from "effect"
import type { Scope } from "effect"
import { openIndex } from "../database.ts"
import { indexAll, makeProgress } from "../indexing.ts"
import { expect } from "../Scene.ts"
import type { Scene } from "../Scene.ts"

const name = "parent and children"
const width = 3

export const parentAndChildren: Scene = {
  name,
  run: ({ database, sources }) =>
    Effect.gen(function* () {
      const progress = makeProgress(450)
      const reasons: Array<string> = []
      /** Spawns a thread that records the reason of its end. */
      const spawn = <A, E>(name: string, work: Effect.Effect<A, E, Scope.Scope>) =>
        Thread.spawn(
          Effect.onExit(work, (exit) =>
            Effect.sync(() => {
              const reason = CancelReason.fromExit(exit)
              if (Option.isSome(reason)) reasons.push(reason.value.message)
            })
          ),
          { name }
        )
      /** One child of the tree, with a connection of its own. Each grandchild indexes a part of the files. */
      const child = (at: number): Effect.Effect<void, never, Scope.Scope> =>
        Effect.gen(function* () {
          const index = yield* openIndex(database, name)
          for (let part = 0; part < width; part++) {
            const own = sources.filter((_, i) => i % width ** 2 === at * width + part)
            yield* spawn(`grandchild ${at}.${part}`, indexAll(index, own, progress))
          }
          return yield* Effect.never
        })
      const parent = yield* spawn(
        "parent",
        Effect.gen(function* () {
          for (let at = 0; at < width; at++) yield* spawn(`child ${at}`, child(at))
          return yield* Effect.never
        })
      )
      yield* progress.reached

      const { children } = yield* ThreadDump.of(parent)
      const before = 1 + children.length + children.flatMap((child) => child.children).length
      const report = yield* Thread.shutdown(parent, {
        escalation: Escalation.interrupt,
        reason: CancelReason.interrupted({ message: "The index is no longer wanted" })
      })
      const after = (yield* ThreadDump.of(parent)).children.length

      yield* expect(before === 1 + width + width ** 2 && after === 0, "no descendant outlives the parent")
      yield* expect(reasons.length === before && new Set(reasons).size === 1, "all see the same reason")
      return {
        asked: "interrupt",
        rung: report.rung,
        millis: report.millis,
        rows: progress.done(),
        story: [
          `1 parent, ${width} children and ${width ** 2} grandchildren ended for one reason: "${reasons[0]}"`,
          `the shutdown released all ${report.released.length} leases that they held at that moment`
        ]
      }
    })
}
