/**
 * Spawn and join in two copies of the built core, which differ in the calls of the hook for timelines and metrics. One copy
 * is as built. In its twin, a text replacement has removed the calls that spawn and join pass. Needs a build (`tsc -b`).
 *
 * Each copy runs in a worker thread of its own: in one isolate, the second copy would get code that is optimized for the
 * first one, which is a larger difference than that of the hook. The workers run by turns and never at the same time.
 */
import { once } from "node:events"
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import type { Measure } from "../Comparison.ts"
import { folderOf } from "../plain/project.ts"

const sides = ["asBuilt", "withoutHook"] as const
type Side = (typeof sides)[number]

const figures: Readonly<Record<Side, Array<number>>> = { asBuilt: [], withoutHook: [] }

/** The figure of one side. The other side gets its figure of the same turns. */
export const measure =
  (side: Side): Measure =>
  async () => {
    if (figures[side].length === 0) await measureBoth()
    return figures[side].shift()! // has one now
  }

const warmUp = 20_000
const turns = 50
const timesOfTurn = 1000

/** New workers each time, because the same code is not always optimized in the same way. */
const measureBoth = async (): Promise<void> => {
  const workers = { asBuilt: workerOf("asBuilt"), withoutHook: workerOf("withoutHook") }
  const found: Record<Side, Array<number>> = { asBuilt: [], withoutHook: [] }
  const run = async (side: Side, times: number): Promise<number> => {
    workers[side].postMessage(times)
    const [nanos] = (await once(workers[side], "message")) as [number] // as the worker posts
    return nanos
  }
  for (const side of sides) await run(side, warmUp)
  for (let turn = 0; turn < turns; turn++) {
    for (const side of turn % 2 === 0 ? sides : sides.toReversed()) found[side].push(await run(side, timesOfTurn))
  }
  for (const side of sides) {
    // The fastest turn: other work of the machine only adds time.
    figures[side].push(Math.min(...found[side]))
    await workers[side].terminate()
  }
}

const workerOf = (side: Side): Worker =>
  new Worker(new URL("./twin.worker.ts", import.meta.url), {
    workerData: pathToFileURL(join(folder(), side, "index.js")).href
  })

/** The calls of the hook between the spawn of a thread and the end of its join. */
const calls = {
  "internal/threadNode.js": [
    'noteStep?.({ _tag: "Spawned", node: this });',
    'noteStep?.({ _tag: "Settled", node: this });'
  ],
  "internal/fiberThread.js": [
    'noteStep?.({ _tag: "Started", node: this.node });',
    'noteStep?.({ _tag: "CleaningUp", node });'
  ]
}

let made: string | undefined

/** The folder of the copies. Both are copies, so that neither is favoured by its place. */
const folder = (): string => {
  if (made !== undefined) return made
  const root = mkdtempSync(join(tmpdir(), "quiesce-bench-"))
  process.once("exit", () => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, "node_modules"))
  symlinkSync(folderOf("effect"), join(root, "node_modules/effect"), "dir")
  writeFileSync(join(root, "package.json"), '{ "type": "module" }')
  for (const side of sides) cpSync(built, join(root, side), { recursive: true })
  for (const [file, texts] of Object.entries(calls)) removeFrom(join(root, "withoutHook", file), texts)
  return (made = root)
}

const built = fileURLToPath(new URL("../../../core/dist", import.meta.url))

const removeFrom = (file: string, texts: ReadonlyArray<string>): void => {
  let source = readFileSync(file, "utf8")
  for (const text of texts) {
    if (source.split(text).length !== 2) throw new Error(`${file} does not have the text once: ${text}`)
    source = source.replace(text, "")
  }
  writeFileSync(file, source)
}
