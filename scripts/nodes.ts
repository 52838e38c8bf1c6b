/** The versions of Node on which this repository is tested, and the paths of their binaries. */
import { existsSync } from "node:fs"
import { join } from "node:path"

/** The oldest supported version, the version between, and the version of the scripts. */
export const majors = [22, 24, 26] as const

export type Major = (typeof majors)[number]

/** The binary of a version. Undefined if the optional dependency has no binary for this platform. */
export const find = (major: Major): string | undefined => {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const binary = join(import.meta.dirname, `../node_modules/node-${major}/bin/node`)
  return existsSync(binary) ? binary : undefined
}

export const absence = (major: Major): string =>
  `left out: Node ${major} is not installed for ${process.platform}-${process.arch} (optional dependency node-${major})`
