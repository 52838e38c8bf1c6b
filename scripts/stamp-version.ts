/** Writes the version of core's manifest into its source, where a second copy reads the version. */
import { readFileSync, writeFileSync } from "node:fs"

const file = "packages/core/src/internal/version.ts"
const { version }: { version: string } = JSON.parse(readFileSync("packages/core/package.json", "utf8"))
const source = readFileSync(file, "utf8")
writeFileSync(
  file,
  source.replace(/version = "[^"]*"/, () => `version = "${version}"`)
)
