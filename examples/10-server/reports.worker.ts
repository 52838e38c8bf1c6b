/** Writes reports. The argument of the worker is the file of the database. */
import { Blocking } from "@quiesce/core"
import { ThreadWorker } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { open, transaction } from "./database.ts"
import { ReportTasks } from "./reports.ts"

/** Busy for as long as it takes. An end from outside finds it in the middle. */
const countPrimes = (from: number, to: number): number => {
  let count = 0
  for (let number = Math.max(from, 2); number < to; number++) {
    let divisor = 2
    while (divisor * divisor <= number && number % divisor !== 0) divisor++
    if (divisor * divisor > number) count++
  }
  return count
}

const handlers = ReportTasks.toLayer(
  Effect.gen(function* () {
    const database = yield* open(process.argv[2]!)
    const addReport = database.prepare("INSERT INTO report (id, parts) VALUES (?, ?)")
    const addPart = database.prepare("INSERT INTO part (report, number, primes) VALUES (?, ?, ?)")
    return {
      Write: ({ below, id, parts }) =>
        Effect.gen(function* () {
          yield* transaction(database)
          addReport.run(id, parts)
          const step = below / parts
          let sum = 0
          for (let number = 0; number < parts; number++) {
            const primes = yield* Blocking.interruptible(() =>
              countPrimes(Math.ceil(number * step), Math.ceil((number + 1) * step))
            )
            addPart.run(id, number, primes)
            sum += primes
          }
          return sum
        }).pipe(Effect.scoped)
    }
  })
)

ThreadWorker.main(ReportTasks, handlers)
