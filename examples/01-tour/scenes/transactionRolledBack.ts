/** A cancel in the middle of a transaction rolls the transaction back. The second try commits. */
import { CancelReason, Escalation, Thread } from "@quiesce/core"
import { Effect } from "effect"
import { openIndex } from "../database.ts"
import { indexAll, makeProgress } from "../indexing.ts"
import { expect } from "../Scene.ts"
import type { Scene } from "../Scene.ts"

const name = "transaction rolled back"
const size = 500

export const transactionRolledBack: Scene = {
  name,
  run: ({ database, sources }) =>
    Effect.gen(function* () {
      const index = yield* openIndex(database, name)
      const progress = makeProgress(size / 2)
      const importer = Effect.andThen(index.transaction, indexAll(index, sources.slice(0, size), progress))

      const first = yield* Thread.spawn(importer, { name: "first try" })
      yield* progress.reached
      const inside = yield* index.count
      const report = yield* Thread.shutdown(first, {
        escalation: Escalation.interrupt,
        reason: CancelReason.interrupted({ message: "Half of it is enough to see" })
      })
      const left = yield* index.count

      const second = yield* Thread.spawn(importer, { name: "second try" })
      yield* Thread.join(second)
      const rows = yield* index.count
      yield* expect(inside >= size / 2 && left === 0 && rows === size, "all of a transaction or nothing")
      return {
        asked: "interrupt",
        rung: report.rung,
        millis: report.millis,
        rows,
        story: [
          `cancelled with ${inside} of ${size} rows in the transaction: ${left} rows stayed; a second try committed ${rows}`
        ]
      }
    })
}
