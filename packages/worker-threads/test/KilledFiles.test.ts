import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setImmediate } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import { afterAll, describe, expect, it } from "vitest"

const folder = mkdtempSync(join(tmpdir(), "quiesce-killed-"))
afterAll(() => rmSync(folder, { recursive: true }))

const targetOf = (descriptor: string): string => {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    // That through which the list was read.
    return ""
  }
}

/** How many descriptors of this process are open on a file, and on those that SQLite puts beside it. */
const openOn = (path: string): number =>
  readdirSync("/proc/self/fd").filter((descriptor) => targetOf(descriptor).startsWith(path)).length

/** What opens `path`, and hogs the thread once it `hold`s what it got, or before that. */
const openers = {
  "a FileHandle": `fs.promises.open(path).then((handle) => hold(handle))`,
  "what openSync gives": `hold(fs.openSync(path))`,
  "a database": `hold(new (require("node:sqlite").DatabaseSync)(path))`,
  "what is just being opened": `fs.promises.open(path).then((handle) => hold(handle)); for (;;);`
}

const source = (opener: string): string => `
const fs = require("node:fs")
const { path, holds } = require("node:worker_threads").workerData
const hold = (held) => {
  globalThis.held = held
  Atomics.store(holds, 0, 1)
  for (;;);
}
${opener}`

describe.runIf(process.platform === "linux")("what a killed worker has open", () => {
  it.for([
    ["a FileHandle", 0],
    ["what openSync gives", 0],
    ["a database", 0],
    ["what is just being opened", 1]
  ] as const)("%s: %i descriptors are left", async ([kind, left]) => {
    const path = join(folder, kind)
    writeFileSync(path, "")
    const holds = new Int32Array(new SharedArrayBuffer(4))
    const worker = new Worker(source(openers[kind]), { eval: true, workerData: { path, holds }, stderr: true })
    const isReady = () => openOn(path) > 0 && (left > 0 || Atomics.load(holds, 0) === 1)
    while (!isReady()) await setImmediate()
    await worker.terminate()
    expect(openOn(path)).toBe(left)
  })
})
