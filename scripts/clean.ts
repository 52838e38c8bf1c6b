/** Removes the output of the compiler, so that the next build starts from nothing. */
import { globSync, rmSync } from "node:fs"

for (const path of globSync(["packages/*/dist", ".cache", "{.,packages/*,examples}/node_modules/.cache"])) {
  rmSync(path, { recursive: true, force: true })
}
