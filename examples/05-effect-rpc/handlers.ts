/** The handlers, the same for both protocols: files and a lock, with finalizers. */
import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { CancelReason } from "@quiesce/core"
import { Effect, Exit, Option, Stream } from "effect"
import { Reports } from "./contract.ts"

/** A report is written completely or not at all. Removing a partial report takes half a second. */
const report = (file: string) =>
  Effect.acquireRelease(
    Effect.sync(() => writeFileSync(`${file}.part`, "")),
    (_, exit) =>
      Exit.isSuccess(exit)
        ? Effect.sync(() => renameSync(`${file}.part`, file))
        : Effect.andThen(
            Effect.sleep(500),
            Effect.sync(() => {
              const reason = Option.getOrUndefined(CancelReason.fromExit(exit))
              // A plain interruption carries only the number of a fiber.
              const why = reason === undefined || reason._tag === "Interrupted" ? "none" : reason.message
              writeFileSync(`${file}.part`, why)
              // The app waits for this name, and must not find an empty file.
              renameSync(`${file}.part`, `${file}.why`)
            })
          )
  )

const write = (file: string, row: number) =>
  Effect.as(
    Effect.sync(() => appendFileSync(`${file}.part`, `row ${row}\n`)),
    row
  )

const lock = (file: string) =>
  Effect.acquireRelease(
    Effect.sync(() => writeFileSync(file, "", { flag: "wx" })),
    () => Effect.sync(() => rmSync(file))
  )

export const handlers = Reports.toLayer({
  Write: ({ file, rows }) =>
    Stream.range(1, rows).pipe(
      Stream.rechunk(1),
      Stream.mapEffect((row) => write(file, row)),
      Stream.onStart(report(file)),
      Stream.scoped
    ),
  Render: ({ lock: file }) =>
    Effect.andThen(
      lock(file),
      Effect.sync((): void => {
        for (;;);
      })
    ),
  Sum: ({ numbers }) => Effect.succeed(numbers.reduce((a, b) => a + b, 0)),
  Crash: () => Effect.sync(() => process.exit(1))
})
