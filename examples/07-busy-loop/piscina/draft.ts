/** The same task for piscina, which passes no signal to a task: two other ways to clean up, and neither runs. */
import { rmSync, writeFileSync } from "node:fs"

let calls = 0

export default (file: string | undefined): number => {
  calls++
  if (file === undefined) return calls
  writeFileSync(file, "half a sentence")
  process.once("exit", () => rmSync(file))
  try {
    for (;;);
  } finally {
    rmSync(file)
  }
}
