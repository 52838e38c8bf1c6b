/**
 * The lines of code that make handles and timers, noted if the environment has `QUIESCE_PLACES=1`.
 *
 * Node then calls a hook for each handle and timer, and the hook makes a stack. The program gets slower, so the
 * variable is for a search.
 */
import { createHook, executionAsyncId } from "node:async_hooks"

export const isOn: boolean = process.env["QUIESCE_PLACES"] === "1"

interface Made {
  readonly kind: string
  readonly place: string
  readonly resource: WeakRef<object>
}

const made = new Map<number, Made>()

/** These keep no process alive. */
const passing: ReadonlySet<string> = new Set(["TickObject", "Microtask", "Immediate", "DNSCHANNEL"])

/** Notes all handles and timers from now on, for the life of the process. */
export const track = (): void => {
  createHook({ init: note, destroy: (id) => void made.delete(id) }).enable()
}

const note = (id: number, kind: string, trigger: number, resource: object): void => {
  if (kind === "PROMISE") return
  // Node makes some handles in a later turn, without the asking code on the stack.
  const cause = made.get(executionAsyncId()) ?? made.get(trigger)
  const place = placeOfCaller() ?? cause?.place ?? "inside Node"
  made.set(id, { kind, place, resource: new WeakRef(resource) })
}

/** Effect and Node make most handles for other code, and methods such as `Array.map` have no place. */
const passedOver = /node:|[\\/]node_modules[\\/]effect[\\/]|\(<anonymous>\)$/

/** The first frame above `note` of other code. Frames are left out by function, because a bundle has one path for all. */
const placeOfCaller = (): string | undefined => {
  const record: { stack?: string } = {}
  Error.captureStackTrace(record, note)
  return record.stack
    ?.split("\n")
    .slice(1)
    .find((frame) => !passedOver.test(frame))
    ?.trim()
}

/** One line for each live handle; undefined if nothing was noted. */
export const live = (): ReadonlyArray<string> | undefined => {
  if (!isOn) return undefined
  return Array.from(made.values()).flatMap(({ kind, place, resource }) => {
    // Each kind of handle that may be unreferenced has `hasRef`.
    const found: { readonly hasRef?: () => boolean } | undefined = resource.deref()
    return passing.has(kind) || found === undefined || found.hasRef?.() === false ? [] : [`- ${kind}, made ${place}`]
  })
}
