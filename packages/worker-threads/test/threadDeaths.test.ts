/** A worker's messages about threads below it are claims, and a false claim does not affect a live thread. */
import { threadId } from "node:worker_threads"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { reportTo, ThreadDeaths } from "../src/internal/locks/threadDeaths.ts"

/** Ids that no thread of this process has. Each test has its own. */
let next = 1_000_000

const open: Array<ThreadDeaths> = []

/** A worker, and the problems for which it was refused. */
const start = (id = next++) => {
  const refusals: Array<string> = []
  const deaths = new ThreadDeaths(id, (problem) => refusals.push(problem))
  open.push(deaths)
  return { id, deaths, refusals }
}

const foreign = "it reported a thread of another worker as its own"

describe("a worker that claims a thread", () => {
  const ended: Array<number> = []
  beforeEach(() => {
    reportTo((message) => {
      if (message._tag === "ThreadEnded") ended.push(message.threadId)
    })
  })
  afterEach(() => {
    for (const deaths of open.splice(0)) deaths.end()
    reportTo(() => {})
    ended.length = 0
  })

  it("is refused if the claimed thread was started by this thread, is this thread, or is the main thread", () => {
    const other = start()
    for (const claimed of [other.id, threadId, 0]) {
      const { deaths, refusals } = start()
      expect(deaths.threadStarted(claimed)).toBe(false)
      expect(refusals).toEqual([foreign])
      deaths.threadEnded(claimed)
    }
    expect(ended).toEqual([])
  })

  it("is refused when this thread starts the claimed thread later", () => {
    const { deaths, refusals } = start()
    const later = next++
    expect(deaths.threadStarted(later)).toBe(true)
    start(later)
    expect(refusals).toEqual([foreign])
    deaths.threadEnded(later)
    deaths.end()
    expect(ended).not.toContain(later)
  })

  it("is refused for a second claim of the same thread", () => {
    const { deaths, refusals } = start()
    const below = next++
    expect([deaths.threadStarted(below), deaths.threadStarted(below)]).toEqual([true, false])
    expect(refusals).toEqual([foreign])
  })

  it("ends no thread that another worker also claims until both report its end", () => {
    const [first, second] = [start(), start()]
    const below = next++
    expect([first.deaths.threadStarted(below), second.deaths.threadStarted(below)]).toEqual([true, true])
    first.deaths.threadEnded(below)
    first.deaths.threadEnded(below)
    expect(ended).toEqual([])
    second.deaths.end()
    expect(ended).toEqual([second.id, below])
  })

  it("may claim at most 4096 threads", () => {
    const { deaths, refusals } = start()
    for (let count = 0; count < 4096; count++) expect(deaths.threadStarted(next++)).toBe(true)
    expect(deaths.threadStarted(next++)).toBe(false)
    expect(refusals).toEqual(["it reported more than 4096 living threads below it"])
  })
})
