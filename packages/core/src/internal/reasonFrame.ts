/**
 * A reason as the stack frame that `Cause.pretty` prints below an interrupted fiber: its kind, message and asking thread.
 *
 * Each interrupt makes a frame, and few are printed. So the text is made when it is read.
 */
import * as Cause from "effect/Cause"
import type { StackFrame } from "effect/References"
import { readOr } from "./foreignValue.ts"

/** The key of the annotation that has the frame. */
export const key: string = Cause.InterruptorStackTrace.key

/** The printed fields of a `CancelReason`. The type can't be named here, because its module imports this module. */
interface Printed {
  readonly _tag: string
  readonly message: string
  readonly by?: string | undefined
}

/** A frame is no place in code. Effect prints the name alone if `stack` gives nothing. */
const nowhere = (): undefined => undefined

export class ReasonFrame implements StackFrame {
  private readonly reason: Printed

  constructor(reason: Printed) {
    this.reason = reason
  }

  get name(): string {
    return readOr(() => describe(this.reason), "a reason that can't be read")
  }

  get stack(): () => undefined {
    return nowhere
  }

  get parent(): undefined {
    return undefined
  }
}

/** The frame of an interruption with one more line, for the time after the request. */
export const followedBy = ({ annotations }: Cause.Interrupt, line: string): StackFrame => {
  const frame = annotations.get(key) as StackFrame | undefined
  const last: StackFrame = { name: line, stack: nowhere, parent: undefined }
  return frame === undefined ? last : { name: frame.name, stack: frame.stack, parent: last }
}

/** In one line, because a frame is one line of a trace. */
const describe = ({ _tag, by, message }: Printed): string =>
  `${_tag} ${JSON.stringify(message)}${by === undefined ? "" : `, asked by ${JSON.stringify(by)}`}`
