/**
 * The step in which a task calls its handler.
 *
 * A handler may run for long before it has returned its Effect. The frames of this toolkit below that call, down to the
 * run loop of the fiber, only pass the Effect on. So code of the handler may be ended there, because no step of the
 * toolkit is lost with it.
 *
 * Invariants:
 * 1. Only the functions that make a task's Effect call `callHandler`, and each of them has nothing left to do but to pass
 *    the result on.
 */

/** The name of the frame of `callHandler`, by which a halted stack is judged. */
export const frameName = "callHandler"

export const callHandler = <Payload, Options, A>(
  handler: (payload: Payload, options: Options) => A,
  payload: Payload,
  options: Options
): A => handler(payload, options)
