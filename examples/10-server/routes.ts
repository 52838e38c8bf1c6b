/**
 * The routes. A route of Effect's `HttpRouter` is interrupted when its client goes away, and the interrupt reaches the worker:
 * its busy loop ends and its transaction is rolled back.
 */
import { readdirSync } from "node:fs"
import { randomUUID } from "node:crypto"
import type { DatabaseSync } from "node:sqlite"
import { Deadline, ThreadDump } from "@quiesce/core"
import { HttpDrain } from "@quiesce/process"
import { type Duration, Effect, Layer, Schema } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Reports } from "./reports.ts"

export interface Options {
  readonly database: DatabaseSync
  /** The time of a request. */
  readonly deadline: Duration.Input
}

export const make = (options: Options) => Layer.mergeAll(readiness, writing(options), reading(options), admin(options))

/** The orchestrator asks this route whether the server wants new requests. */
const readiness = HttpRouter.use((router) =>
  Effect.gen(function* () {
    const { isReady } = yield* HttpDrain.HttpDrain
    yield* router.add(
      "GET",
      "/ready",
      Effect.map(isReady, (ready) =>
        HttpServerResponse.text(ready ? "ready" : "leaving", { status: ready ? 200 : 503 })
      )
    )
  })
)

const Wanted = Schema.Struct({ below: Schema.FiniteFromString, parts: Schema.FiniteFromString })

const writing = ({ deadline }: Options) =>
  HttpRouter.use((router) =>
    Effect.gen(function* () {
      const reports = yield* Reports
      const write = Effect.gen(function* () {
        const { below, parts } = yield* HttpServerRequest.schemaSearchParams(Wanted)
        const id = randomUUID()
        const primes = yield* reports.execute("Write", { id, parts, below })
        return HttpServerResponse.jsonUnsafe({ id, primes }, { status: 201 })
      }).pipe(
        Deadline.within(deadline),
        Effect.catchTags({
          SchemaError: ({ message }) => Effect.succeed(HttpServerResponse.text(message, { status: 400 })),
          DeadlineExceeded: ({ message }) => Effect.succeed(HttpServerResponse.text(message, { status: 503 })),
          WorkerError: ({ message }) => Effect.succeed(HttpServerResponse.text(message, { status: 503 }))
        })
      )
      yield* router.add("POST", "/reports", write)
    })
  )

const reading = ({ database }: Options) =>
  HttpRouter.use((router) =>
    Effect.gen(function* () {
      const find = database.prepare("SELECT number, primes FROM part WHERE report = ? ORDER BY number")
      const read = Effect.map(HttpRouter.params, ({ id = "" }) => {
        const parts = find.all(id)
        return parts.length === 0
          ? HttpServerResponse.empty({ status: 404 })
          : HttpServerResponse.jsonUnsafe({ id, parts })
      })
      yield* router.add("GET", "/reports/:id", read)
    })
  )

/** Everything that a request could leave behind. A real server shows this on a port of its own. */
const admin = ({ database }: Options) =>
  HttpRouter.use((router) =>
    Effect.gen(function* () {
      const { status } = yield* HttpDrain.HttpDrain
      const reports = yield* Reports
      const halves = database.prepare(
        "SELECT count(*) AS count FROM report WHERE parts <> (SELECT count(*) FROM part WHERE report = id)"
      )
      const look = Effect.gen(function* () {
        const dump = yield* ThreadDump.make
        return HttpServerResponse.jsonUnsafe({
          http: yield* status,
          pool: yield* reports.status,
          threads: ThreadDump.render(dump).split("\n"),
          halfReports: halves.get()!["count"],
          resources: process.getActiveResourcesInfo().toSorted(),
          descriptors: process.platform === "linux" ? readdirSync("/proc/self/fd").length : undefined
        })
      })
      yield* router.add("GET", "/admin", look)
    })
  )
