/**
 * Ends synchronous code after a time, by the watchdog of the platform.
 *
 * Node runs a script under a time limit: when the time is over, a thread of the platform asks the engine to end the script.
 * The script here is a constant call of a function in a slot of the global object, so the limited code is an ordinary
 * closure. No `catch` and no `finally` of the code runs then. The engine is back to normal at the boundary of the script.
 *
 * States: the platform is untried, available or missing. It is tried out at the first use, in about 2 ms. A run is running
 * until the code has finished or was ended.
 *
 * Invariants:
 * 1. Only code inside the script is ended. Node takes the request back before the call of the script returns.
 * 2. Code that has finished counts as finished, also if the time is over before the script returns.
 * 3. There is one limit at a time. Code that runs inside limited code is a part of the outer code, because the inner one of
 *    two limits that pass at the same time would take back both requests.
 * 4. No code is ended before its time is over. The platform rounds to whole milliseconds, so the limit is the next one.
 * 5. After an end, the caller is in the same AsyncLocalStorage context and at the same nesting of steps as before, and errors
 *    have as many frames. `toError` and Effect change that number for a moment, and the code may be ended in that moment.
 * 6. A SIGINT that falls into code with `onSigint` is given to `onSigint` once, also if the code has finished.
 *
 * Measured on Node 22.23, 24.21 and 26.10, on a loaded machine with two cores; `sections-main.ts` among the fixtures of the
 * tests repeats it. 10,000 sections of 16 kinds in 7 surroundings were ended, and 2,000 ended by themselves within 1 ms of
 * their limit: one outcome each, and the memory is flat. A limit costs 0.1 to 0.8 ms, for a thread of the platform. The end
 * comes 1 to 3 ms after the deadline in the median, as with a bare script. The engine looks at the request at calls of
 * functions that are not inlined. A hot loop without such a call was late by up to a second, once for each function; with
 * only `throw` and `catch` or only `JSON` in it, by minutes. Node aborts the process if no file descriptor is left for the
 * thread.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as AsyncScope from "./asyncScope.ts"
import { V8Error } from "./cancelError.ts"
import * as Nesting from "./nesting.ts"

export interface Watchdog {
  /** Whether the watchdog measures the time of this clock. */
  readonly follows: (clock: Clock.Clock) => boolean
  /** Whether the caller runs inside limited code. */
  readonly isRunning: boolean
  /**
   * Runs code for at most `millis`, which may be infinite, and says whether the code has finished. The code must not throw.
   * With `onSigint`, Ctrl-C ends the code, too. No listener of the process hears that SIGINT; `onSigint` is called instead,
   * after the code.
   */
  readonly run: (code: () => void, millis: number, onSigint?: () => void) => boolean
}

type State =
  | { readonly _tag: "Untried" }
  | { readonly _tag: "Available"; readonly watchdog: Watchdog }
  | { readonly _tag: "Missing" }

let state: State = { _tag: "Untried" }

/** The watchdog of the platform; undefined where there is none. */
export const platform = (): Watchdog | undefined => {
  if (state._tag === "Untried") {
    const watchdog = tryOut()
    state = watchdog === undefined ? { _tag: "Missing" } : { _tag: "Available", watchdog }
  }
  return state._tag === "Available" ? state.watchdog : undefined
}

// ---- The modules of Node ----

interface Limits {
  readonly timeout?: number
  readonly breakOnSigint?: boolean
}

interface Script {
  readonly runInThisContext: (options: Limits & { readonly displayErrors: false }) => unknown
}

interface Platform {
  readonly vm: { readonly Script: new (code: string, options: { readonly filename: string }) => Script }
  readonly hooks: AsyncScope.AsyncHooks
  readonly process: AsyncScope.Process
}

interface Process extends AsyncScope.Process {
  readonly getBuiltinModule?: (id: string) => unknown
}

/** The trial checks the shape of the modules. */
const load = (): Platform | undefined => {
  const { process } = globalThis as { readonly process?: Process }
  if (typeof process?.getBuiltinModule !== "function") return undefined
  return {
    vm: process.getBuiltinModule("node:vm") as Platform["vm"],
    hooks: process.getBuiltinModule("node:async_hooks") as Platform["hooks"],
    process
  }
}

/**
 * The function of the running script. All copies of this module in a process share the slot. `due` is the time, by
 * `performance.now`, at which the running code is ended.
 */
interface Slot {
  code: (() => void) | undefined
  due: number | undefined
}

const slot = `globalThis[Symbol.for("@quiesce/core/watchdog")]`

/** The longest limit of the platform, 49 days. */
const longest = 2 ** 32 - 1

/** Code of another owner can end limited code before it resets its slot. Such code does not count as running after this. */
const stale = 1000

class NodeWatchdog implements Watchdog {
  private readonly platform: Platform
  private readonly script: Script
  private readonly slot: Slot
  private readonly clock: Clock.Clock = Context.get(Context.empty(), Clock.Clock)

  constructor(platform: Platform) {
    const options = { filename: "quiesce:watchdog" }
    const { Script } = platform.vm
    this.platform = platform
    this.script = new Script(`${slot}.code()`, options)
    // The script gives the slot.
    this.slot = new Script(`${slot} ??= {}`, options).runInThisContext({ displayErrors: false }) as Slot
  }

  follows(clock: Clock.Clock): boolean {
    return clock === this.clock
  }

  get isRunning(): boolean {
    const { due } = this.slot
    return due !== undefined && performance.now() < due + stale
  }

  run(code: () => void, millis: number, onSigint?: () => void): boolean {
    if (this.isRunning) {
      code()
      return true
    }
    const { hooks, process } = this.platform
    const depth = Nesting.current()
    const { stackTraceLimit } = V8Error
    const timeout = Math.min(Math.floor(millis) + 1, longest)
    const limits = onSigint === undefined ? { timeout } : millis === Infinity ? sigint : { timeout, ...sigint }
    let finished = false
    let sawSigint = false
    AsyncScope.run(hooks, process, () => {
      const ended = this.limited(() => {
        code()
        finished = true
      }, limits)
      sawSigint = ended === interrupted
    })
    if (!finished) {
      Nesting.restore(depth)
      V8Error.stackTraceLimit = stackTraceLimit
    }
    if (sawSigint) onSigint?.()
    return finished
  }

  /** Whether the platform refuses a limit that is no time. A platform that ignores limits does not look at them. */
  refuses(timeout: number): boolean {
    try {
      this.script.runInThisContext({ timeout, displayErrors: false })
      return false
    } catch (error) {
      return codeOf(error) === "ERR_OUT_OF_RANGE"
    }
  }

  /** Runs code under limits, and gives the platform's name of the limit that has ended the script. */
  private limited(code: () => void, limits: Limits): unknown {
    const { slot } = this
    slot.code = code
    slot.due = performance.now() + (limits.timeout ?? Infinity)
    // Code of another owner can end code without a time, too. Such code has left the stack in the next turn.
    const left = limits.timeout === undefined ? setTimeout(() => leave(slot, code), 0) : undefined
    try {
      this.script.runInThisContext({ ...limits, displayErrors: false })
      return undefined
    } catch (error) {
      const ended = codeOf(error)
      if (ended !== timedOut && ended !== interrupted) throw error
      return ended
    } finally {
      clearTimeout(left)
      leave(slot, code)
    }
  }
}

/** Limits by Ctrl-C alone. */
const sigint: Limits = { breakOnSigint: true }

const timedOut = "ERR_SCRIPT_EXECUTION_TIMEOUT"
const interrupted = "ERR_SCRIPT_EXECUTION_INTERRUPTED"

const leave = (slot: Slot, code: () => void): void => {
  if (slot.code !== code) return
  slot.due = undefined
  slot.code = undefined
}

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null ? Reflect.get(error, "code") : undefined

/** How long the code of the trial runs if nothing ends it. A loaded machine may start the watchdog's thread late. */
const patience = 1000

const tryOut = (): Watchdog | undefined => {
  try {
    const found = load()
    if (found === undefined) return undefined
    const watchdog = new NodeWatchdog(found)
    if (!watchdog.refuses(0) || !watchdog.run(() => {}, patience)) return undefined
    const until = performance.now() + patience
    return watchdog.run(() => spin(until), 1) ? undefined : watchdog
  } catch {
    return undefined
  }
}

const spin = (until: number): void => {
  while (performance.now() < until);
}
