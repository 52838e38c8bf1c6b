/**
 * Notices a second copy of this package in the process. Each copy has a ledger and a tree of threads of its own, so a
 * thread of one copy is unknown to the other.
 *
 * The host of plain functions notices by the same name on `globalThis` that this package is loaded.
 *
 * Invariant: the first copy that is loaded is the one that `globalThis` names, for the life of the process.
 */
import * as Context from "effect/Context"
import * as Fiber from "effect/Fiber"
import * as Notice from "./notice.ts"
import { version } from "./version.ts"

/** A copy of this package: its version, and the URL of the module that it was loaded from. */
interface Copy {
  readonly version: string
  readonly source: string
  /** True on the first copy as soon as another one is loaded. */
  hasOther?: boolean
}

const key = Symbol.for("~@quiesce/core")

interface Registry {
  // Any release of this package may have written the value.
  [key]?: Copy
}

/** Names this copy on `globalThis`. If another copy is there already, a warning names both. */
export const register = (source: string): void => {
  const registry = globalThis as Registry
  const first = (registry[key] ??= { version, source })
  // A test runner may load the same file again. That is no second installation.
  if (first.source === source && first.version === version) return
  first.hasOther = true
  Notice.log(
    Fiber.getCurrent()?.context ?? Context.empty(),
    "Warn",
    `Two copies of @quiesce/core are loaded: ${first.version} from ${first.source} and ${version} from ${source}. A cancel, a report or a dump of one does not reach the threads and leases of the other. Install one version ("npm ls @quiesce/core" lists them), and keep it either in the bundle or out of it.`
  )
}

/** Whether more than one copy of this package has been loaded so far in this thread. */
export const areSeveral = (): boolean => (globalThis as Registry)[key]?.hasOther === true
