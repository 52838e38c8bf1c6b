/** The worker: its threads hold files and folders as leases, and run loops that never end by themselves. */
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { threadId } from "node:worker_threads"
import { Blocking, Lease } from "@quiesce/core"
import { HostLease, SharedMutex, ThreadWorker } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { openIndex } from "../database.ts"
import { indexAll } from "../indexing.ts"
import { openFile } from "../sources.ts"
import { Scratch, Searches } from "./contract.ts"
import { scanUntil } from "./scan.ts"

const announce = (busy: Int32Array): void => {
  Atomics.store(busy, 0, threadId)
  Atomics.notify(busy, 0)
}

const scratchFolder = (parent: string) =>
  Lease.acquire({
    name: "scratch folder",
    acquire: Effect.promise(() => mkdtemp(join(parent, "match-"))),
    release: (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  })

ThreadWorker.main(
  Searches,
  Searches.toLayer({
    Scan: ({ paths, report, endsOn, busy }) =>
      Effect.gen(function* () {
        const { fd } = yield* openFile(report, "w")
        return yield* scanUntil[endsOn]({ paths, report: fd, busy: () => announce(busy) })
      }).pipe(Effect.scoped),

    Match: ({ path, folder, busy }) =>
      Effect.gen(function* () {
        const source = yield* openFile(path)
        const scratch = yield* scratchFolder(folder)
        const file = yield* openFile(join(scratch, "words.txt"), "w+")
        const text = yield* Effect.promise(() => source.readFile("utf8"))
        // Each word can be split in many ways, and no split matches because of the last character.
        const words = `${text.match(/\w+/g)?.join(" ") ?? ""}!`
        yield* Effect.promise(() => file.writeFile(words))
        yield* Blocking.interruptible(() => {
          announce(busy)
          return /^(?:\w+\s?)*$/.test(words)
        })
      }).pipe(Effect.scoped),

    Hold: ({ database, scene, paths, lock, busy }) =>
      Effect.gen(function* () {
        const scratch = yield* HostLease.acquire(Scratch, "hold-")
        yield* Effect.promise(() => writeFile(join(scratch, "paths.txt"), paths.join("\n")))
        yield* SharedMutex.lock(lock)
        const index = yield* openIndex(database, scene)
        yield* indexAll(index, paths.slice(0, -1))
        yield* index.begin(paths.at(-1)!)
        yield* Blocking.uninterruptible(() => {
          announce(busy)
          for (;;);
        })
      }).pipe(Effect.scoped, Effect.orDie),

    Resume: ({ database, scene, paths, lock }) =>
      Effect.gen(function* () {
        const { ownerDied, markConsistent } = yield* SharedMutex.lock(lock)
        const index = yield* openIndex(database, scene)
        const dropped = yield* index.dropBegun
        yield* markConsistent
        const there = yield* index.count
        yield* indexAll(index, paths.slice(there))
        return { ownerDied, dropped, added: paths.length - there }
      }).pipe(Effect.scoped, Effect.orDie)
  })
)
