/** The contract of the runners and their client, and what a runner does for a job. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { gzipSync } from "node:zlib"
import { ClusterLease } from "@quiesce/cluster"
import { Effect, Option, Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

export class Tasks extends RpcGroup.make(
  Rpc.make("Encode", { payload: { source: Schema.String }, success: Schema.Number })
) {}

/** The folder in which a job keeps its parts. Whichever runner lives removes it, so it must be on a shared disk. */
const Parts = ClusterLease.make("Parts", { payload: Schema.String, value: Schema.String })

/** A release may run more than once, and for a folder that was never made. */
export const parts = ClusterLease.keeper(Parts, {
  acquire: (source) =>
    Effect.sync(() => {
      mkdirSync(folderOf(source))
      return folderOf(source)
    }),
  release: ({ payload, value }) =>
    Effect.sync(() =>
      rmSync(
        Option.getOrElse(value, () => folderOf(payload)),
        { recursive: true, force: true }
      )
    )
})

const folderOf = (source: string): string => `${source}.parts`

export const isThere = (source: string): boolean => existsSync(folderOf(source))

const partSize = 4096

/** Encodes a file part by part, and gives the bytes of the result. Real work would take its time; this one waits. */
const encode = ({ source }: { readonly source: string }) =>
  Effect.gen(function* () {
    const folder = yield* Effect.orDie(ClusterLease.acquire(Parts, source))
    const bytes = readFileSync(source)
    const files: Array<string> = []
    for (let start = 0; start < bytes.length; start += partSize) {
      const file = join(folder, `${files.length}`)
      writeFileSync(file, gzipSync(bytes.subarray(start, start + partSize)))
      files.push(file)
      yield* Effect.sleep("100 millis")
    }
    const result = Buffer.concat(files.map((file) => readFileSync(file)))
    // A reader sees the whole result or none. A body that was killed and runs on would write the same bytes.
    const target = join(folder, `${basename(source)}.gz`)
    writeFileSync(target, result)
    renameSync(target, `${source}.gz`)
    return result.length
  }).pipe(Effect.scoped)

export const handlers = Tasks.toLayer({ Encode: encode })
