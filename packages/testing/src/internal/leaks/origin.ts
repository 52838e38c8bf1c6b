/**
 * Where a resource was made.
 *
 * A stack is kept as a record of the engine and written as text only on demand, because most resources are gone before
 * anybody asks. The record keeps the functions in the stack alive. Code that must not keep them alive reads `frames` at
 * once, which drops the record.
 */
import { fileURLToPath } from "node:url"
import * as Fiber from "effect/Fiber"
import type { StackFrame } from "effect/References"

const depthOfStack = 40
const mostFrames = 5
/** How many causes are followed back from a resource. */
const mostAncestors = 8

/** The sources of this package: frames in them are left out. */
const own = new URL("../..", import.meta.url)
const ownPath = forward(fileURLToPath(own))

/** Writes a Windows path with forward slashes. */
function forward(path: string): string {
  return path.replaceAll("\\", "/")
}

const isForeign = (frame: string): boolean =>
  /\((?:node:|<anonymous>|native)|^(?:async )?node:|\/node_modules\/(?:effect|@effect|vitest|@vitest)\//.test(frame) ||
  frame.includes(own.href) ||
  frame.includes(ownPath) ||
  // A frame without a line and a column names no place.
  !/:\d+:\d+\)?$/.test(frame)

/** The first frames of a stack that belong to user code. */
const framesOf = (text: string): ReadonlyArray<string> =>
  forward(text)
    .split("\n")
    .flatMap((line) => /^\s*at (.*)$/.exec(line)?.[1] ?? [])
    .filter((frame) => !isForeign(frame))
    .slice(0, mostFrames)

/** The places where a fiber has entered traced functions and spans, the latest first. */
export const framesOfFiber = (top: StackFrame | undefined): ReadonlyArray<string> => {
  const frames: Array<string> = []
  for (let frame = top; frame !== undefined && frames.length < mostFrames; frame = frame.parent) {
    const text = frame.stack()
    const at = text === undefined ? undefined : /\(?([^\s(]+:\d+:\d+)\)?\s*$/.exec(forward(text))?.[1]
    frames.push(at === undefined ? frame.name : `${frame.name} (${at})`)
  }
  return frames
}

/** A stack, the place of the fiber that ran, and the origin of the resource whose callback ran. */
export class Origin {
  private record: { readonly stack?: string } | undefined
  private written = ""
  private fiberFrame: StackFrame | undefined
  private parent: Origin | undefined
  private readonly ancestors: number
  private found: ReadonlyArray<string> | undefined = undefined

  constructor(parent: Origin | undefined) {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = depthOfStack
    this.record = {}
    Error.captureStackTrace(this.record, Origin)
    Error.stackTraceLimit = limit
    this.fiberFrame = Fiber.getCurrent()?.cache.stackFrame
    this.parent = parent !== undefined && parent.ancestors < mostAncestors ? parent : undefined
    this.ancestors = this.parent === undefined ? 0 : this.parent.ancestors + 1
  }

  /** The whole stack. */
  get text(): string {
    if (this.record !== undefined) {
      this.written = String(this.record.stack)
      this.record = undefined
    }
    return this.written
  }

  /** Whether the test runner made the resource for itself. */
  get isRunners(): boolean {
    return /\/node_modules\/@?vitest\//.test(forward(this.text)) && framesOf(this.text).length === 0
  }

  /** The first frames that belong to user code: of the stack, of the fiber, or of the cause. */
  get frames(): ReadonlyArray<string> {
    if (this.found === undefined) {
      this.found = framesOf(this.text)
      if (this.found.length === 0) this.found = framesOfFiber(this.fiberFrame)
      if (this.found.length === 0) this.found = this.parent?.frames ?? []
      this.parent = undefined
      this.fiberFrame = undefined
    }
    return this.found
  }
}
