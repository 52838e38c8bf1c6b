/**
 * An HTTP server that ends well: Effect's server, requests that are busy in a worker, and SQLite behind.
 *
 *     node examples/10-server/main.ts
 *     curl -X POST 'http://localhost:8080/reports?below=3000000&parts=10'
 *
 * Press Ctrl-C in the middle of the request of curl: its transaction is rolled back. Send a SIGTERM to the server, or press
 * Ctrl-C there: `/ready` fails at once, new connections are refused after 5 seconds, running requests end or are cancelled
 * at their deadline, and the exit code is 0.
 */
import { createServer } from "node:http"
import { parseArgs } from "node:util"
import { Worker } from "node:worker_threads"
import { Thread } from "@quiesce/core"
import { HttpDrain, Main } from "@quiesce/process"
import { WorkerPool } from "@quiesce/worker-threads"
import { NodeHttpServer } from "@effect/platform-node"
import { Console, Context, Duration, Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { create } from "./database.ts"
import { Reports, ReportTasks } from "./reports.ts"
import * as Routes from "./routes.ts"

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8080" },
    database: { type: "string", default: "reports.db" },
    // How long a load balancer takes to notice that this server is not ready.
    "serve-on": { type: "string", default: "5" },
    deadline: { type: "string", default: "10" }
  }
})

const serveOn = Duration.seconds(Number(values["serve-on"]))
const deadline = Duration.seconds(Number(values.deadline))
const slack = Duration.seconds(2)

const pool = WorkerPool.layer(Reports, ReportTasks, {
  spawn: (options) =>
    new Worker(new URL("./reports.worker.ts", import.meta.url), { ...options, argv: [values.database] }),
  size: 2,
  // A server that takes more than it can do helps nobody.
  queue: { bound: 100, whenFull: "fail" }
})

const program = Effect.gen(function* () {
  const database = yield* create(values.database)
  const server = createServer()
  const app = HttpRouter.serve(Routes.make({ database, deadline }), {
    disableLogger: true,
    disableListenLog: true
  }).pipe(
    Layer.provideMerge(HttpDrain.layer(server)),
    // The drain has waited for the requests already.
    Layer.provideMerge(
      NodeHttpServer.layer(() => server, { port: Number(values.port), disablePreemptiveShutdown: true })
    ),
    Layer.provide(pool)
  )
  const context = yield* Layer.build(app)
  yield* Console.log(`listening on ${HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)}`)
  const { message } = yield* Thread.awaitStop
  yield* Console.log(`${message}: not ready any more`)
  const { drain } = Context.get(context, HttpDrain.HttpDrain)
  const { requests } = yield* drain({ serveOn, within: Duration.sum(deadline, slack) })
  yield* Console.log(`closed, ${requests} requests are left`)
})

// The whole end takes 29 seconds at most, with the last second for a program that is given up. Kubernetes gives 30 seconds.
const stop = Duration.sum(serveOn, Duration.sum(deadline, Duration.times(slack, 2)))
Main.run(program, { escalation: { stop, interrupt: "5 seconds", unwind: "1 second", kill: "1 second" } })
