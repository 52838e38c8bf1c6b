/** The names and the refusals that both halves of an unwind share: the one on the host and the one in the worker. */

/** The global key of a worker's guard. The host reads the key from a frame of a halted stack. */
export const key: "~@quiesce/worker-threads/FiberGuard" = "~@quiesce/worker-threads/FiberGuard"

// Refusals that may be over a moment later, so that the host tries again.

export const otherTasks = "other tasks are on the stack"
export const uninterruptible = "what runs is uninterruptible"
export const inSection = "a section runs"

/** The name of this toolkit's frame between two frames of Effect during a deferred resume. */
export const deferredResumeFrame = "evaluateDeferred"

/** The name of the frame in which the port scheduler runs a part of a fiber at once. */
const onTheSpotFrame = "runOnTheSpot"

/** The names of the frames of this toolkit that only run a fiber for Effect. No step is lost if they are ended. */
export const passesOn: ReadonlyArray<string> = [deferredResumeFrame, onTheSpotFrame]
