/** Runs in a worker: writes half a file and then loops for ever. Called without a file, it counts the calls so far. */
import { rmSync, writeFileSync } from "node:fs"
import type { Task } from "@quiesce/worker-threads"

let calls = 0

export default (file: string | undefined, { signal }: Task.TaskContext): number => {
  calls++
  if (file === undefined) return calls
  writeFileSync(file, "half a sentence")
  signal.addEventListener("abort", () => rmSync(file))
  for (;;); // never looks at the signal
}
