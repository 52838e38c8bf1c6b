/** The older versions of Node, which are optional dependencies. */
import { existsSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** The reason for which a test of an older Node is skipped. */
export const noOlderNode = "The newest Node runs this test, on older versions from optional dependencies"

/**
 * The binary of an older Node, such as `node-22`. Undefined if it is not installed, and in a run on an older Node,
 * because the run on the newest Node has the same test.
 */
export const olderNode = (version: string): string | undefined => {
  const binary = fileURLToPath(new URL(`../../../node_modules/${version}/bin/node`, import.meta.url))
  const isNewest = Number.parseInt(process.versions.node, 10) >= 26
  return isNewest && existsSync(binary) ? binary : undefined
}
