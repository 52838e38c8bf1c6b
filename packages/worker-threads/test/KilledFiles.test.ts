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
    // The descriptor through which the list was read.
    return ""
  }
}

/** The number of descriptors of this process that are open on a file, and on the files beside it from SQLite. */
const openOn = (path: string): number =>
  readdirSync("/proc/self/fd").filter((descriptor) => targetOf(descriptor).startsWith(path)).length

/** Code that opens `path`. The code blocks the thread after `hold` has received the resource, or before. */
const openers = {
  "a FileHandle": `fs.promises.open(path).then((handle) => hold(handle))`,
  "a descriptor of openSync": `hold(fs.openSync(path))`,
  "a database": `hold(new (require("node:sqlite").DatabaseSync)(path))`,
  "a file that is being opened": `fs.promises.open(path).then((handle) => hold(handle)); for (;;);`
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

describe.runIf(process.platform === "linux")("the files of a killed worker", () => {
  it.for([
    ["a FileHandle", 0],
    ["a descriptor of openSync", 0],
    ["a database", 0],
    ["a file that is being opened", 1]
  ] as const)("are closed or left open: %s leaves %i descriptors", async ([kind, left]) => {
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
