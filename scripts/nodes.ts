/** The versions of Node that this repository is tried on, and where each is installed. */
import { existsSync } from "node:fs"
import { join } from "node:path"

/** The oldest that is supported, the one between, and the one that the scripts run on. */
export const majors = [22, 24, 26] as const

export type Major = (typeof majors)[number]

/** The binary of a version; undefined where the optional dependency that brings it has none for this platform. */
export const find = (major: Major): string | undefined => {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const binary = join(import.meta.dirname, `../node_modules/node-${major}/bin/node`)
  return existsSync(binary) ? binary : undefined
}

export const absence = (major: Major): string =>
  `left out: Node ${major} is not installed for ${process.platform}-${process.arch} (optional dependency node-${major})`
