/** The names and the refusals that both halves of an unwind share: the one on the host and the one in the worker. */

/** Where the host finds the watch of a worker, from any frame of a halted stack. */
export const key: "~@quiesce/worker-threads/StalledFiber" = "~@quiesce/worker-threads/StalledFiber"

// Why what runs is not ended, though a moment later something of the task's may be that can be.

export const otherTasks = "other tasks are on the stack"
export const uninterruptible = "what runs is uninterruptible"
export const inSection = "a declared section runs"

/** The name of the frame of this toolkit between two frames of Effect, where a fiber goes on after a deferred resume. */
export const deferredResumeFrame = "evaluateDeferred"
